
#include "components/protocol/object_store_methods.h"
#include "tests/components/transport/method_check.h"

namespace mobula::protocol {
namespace {

TEST(ObjectStoreMethodsTest, MatchTheDescriptors) {
  rpc::MethodCheck check;
  check.Expect(protocol::kAttachStore);
  check.Expect(protocol::kCreateObject);
  check.Expect(protocol::kSealObject);
  check.Expect(protocol::kAbortObject);
  check.Expect(protocol::kGetObject);
  check.Expect(protocol::kReleaseObjects);
  check.Expect(protocol::kLocateObject);
  check.Expect(protocol::kReadChunk);
  check.ExpectAllOf(*protocol::AttachStoreRequest::descriptor()->file());
}

}  // namespace
}  // namespace mobula::protocol
