#include "components/object_store/methods.h"

#include "tests/components/transport/method_check.h"

namespace mobula::object_store {
namespace {

TEST(ObjectStoreMethodsTest, MatchTheDescriptors) {
  rpc::MethodCheck check;
  check.Expect(kAttach);
  check.Expect(kCreate);
  check.Expect(kSeal);
  check.Expect(kAbort);
  check.Expect(kGet);
  check.Expect(kRelease);
  check.Expect(kLocate);
  check.Expect(kReadChunk);
  check.ExpectAllOf(*AttachRequest::descriptor()->file());
}

}  // namespace
}  // namespace mobula::object_store
