#include "components/gcs/methods.h"

#include "tests/components/transport/method_check.h"

namespace mobula::gcs {
namespace {

TEST(GcsMethodsTest, MatchTheDescriptors) {
  rpc::MethodCheck check;
  check.Expect(kRegisterNode);
  check.Expect(kHeartbeat);
  check.Expect(kLeaveNode);
  check.Expect(kListNodes);
  check.Expect(kReportWorkerDeath);
  check.Expect(kStartJob);
  check.Expect(kFinishJob);
  check.Expect(kListJobs);
  check.Expect(kPut);
  check.Expect(kGet);
  check.Expect(kDelete);
  check.Expect(kKeys);
  check.Expect(kSubscribe);
  check.Expect(kDeliver);
  check.ExpectAllOf(*NodeInfo::descriptor()->file());
}

}  // namespace
}  // namespace mobula::gcs
