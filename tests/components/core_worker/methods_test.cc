#include "components/core_worker/methods.h"

#include "tests/components/transport/method_check.h"

namespace mobula::core_worker {
namespace {

TEST(CoreWorkerMethodsTest, MatchTheDescriptors) {
  rpc::MethodCheck check;
  check.Expect(kOpenLease);
  check.Expect(kPushTasks);
  check.Expect(kTasksDone);
  check.Expect(kReleaseHandoff);
  check.Expect(kTakeBack);
  check.Expect(kWatch);
  check.Expect(kStatus);
  check.Expect(kAddBorrows);
  check.Expect(kRemoveBorrows);
  check.Expect(kReportCopies);
  check.Expect(kRegisterWorker);
  check.Expect(kFinishJob);
  check.Expect(kDescribeDeath);
  check.Expect(kSetBlocked);
  check.Expect(kAdoptObjects);
  check.Expect(kFreeObjects);
  check.Expect(kRequestLease);
  check.Expect(kCancelLease);
  check.Expect(kReturnLease);
  check.Expect(kReclaimLeases);
  check.Expect(kKeepLeases);
  check.Expect(kNodeDied);
  check.Expect(kExitWorker);
  check.ExpectAllOf(*OpenLeaseRequest::descriptor()->file());
}

}  // namespace
}  // namespace mobula::core_worker
