
#include "components/protocol/gcs_methods.h"
#include "tests/components/transport/method_check.h"

namespace mobula::protocol {
namespace {

TEST(GcsMethodsTest, MatchTheDescriptors) {
  rpc::MethodCheck check;
  check.Expect(protocol::kRegisterNode);
  check.Expect(protocol::kHeartbeat);
  check.Expect(protocol::kLeaveNode);
  check.Expect(protocol::kListNodes);
  check.Expect(protocol::kReportWorkerDeath);
  check.Expect(protocol::kStartJob);
  check.Expect(protocol::kFinishJob);
  check.Expect(protocol::kListJobs);
  check.Expect(protocol::kPutValue);
  check.Expect(protocol::kGetValue);
  check.Expect(protocol::kDeleteValues);
  check.Expect(protocol::kListKeys);
  check.Expect(protocol::kSubscribe);
  check.Expect(protocol::kDeliver);
  check.ExpectAllOf(*protocol::NodeInfo::descriptor()->file());
}

}  // namespace
}  // namespace mobula::protocol
