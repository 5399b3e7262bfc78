
#include "components/protocol/worker_methods.h"
#include "components/protocol/owner_methods.h"
#include "components/protocol/raylet_methods.h"
#include "tests/components/transport/method_check.h"

namespace mobula::protocol {
namespace {

TEST(CoreWorkerMethodsTest, MatchTheDescriptors) {
  rpc::MethodCheck check;
  check.Expect(protocol::kOpenLease);
  check.Expect(protocol::kPushTasks);
  check.Expect(protocol::kTasksDone);
  check.Expect(protocol::kReleaseHandoff);
  check.Expect(protocol::kTakeBack);
  check.Expect(protocol::kWatch);
  check.Expect(protocol::kStatus);
  check.Expect(protocol::kAddBorrows);
  check.Expect(protocol::kRemoveBorrows);
  check.Expect(protocol::kReportCopies);
  check.Expect(protocol::kRegisterWorker);
  check.Expect(protocol::kEndJob);
  check.Expect(protocol::kDescribeDeath);
  check.Expect(protocol::kSetBlocked);
  check.Expect(protocol::kAdoptObjects);
  check.Expect(protocol::kFreeObjects);
  check.Expect(protocol::kRequestLease);
  check.Expect(protocol::kCancelLease);
  check.Expect(protocol::kReturnLease);
  check.Expect(protocol::kEndLostWorker);
  check.Expect(protocol::kReclaimLeases);
  check.Expect(protocol::kKeepLeases);
  check.Expect(protocol::kNodeDied);
  check.Expect(protocol::kExitWorker);
  check.ExpectAllOf(*protocol::OpenLeaseRequest::descriptor()->file());
}

}  // namespace
}  // namespace mobula::protocol
