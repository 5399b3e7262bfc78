// A call that is sent again, as nobody knows whether it ran, must equal one call. Played over every
// such method that a raylet serves, so that one without a sample here fails too.

#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <array>
#include <set>

#include "components/protocol/gcs.pb.h"
#include "components/protocol/raylet_methods.h"
#include "tests/components/raylet/raylet_world.h"

namespace mobula::raylet::testing {
namespace {
using std::chrono::milliseconds;

/// A raylet with two leases and a request that waits, to which every call is made `times` times.
class Played {
 public:
  explicit Played(int times) : times_(times) {
    driver = world.AddDriver(job);
    for (protocol::Grant& lease : leases) {
      lease = world.Granted(driver->RequestLease(job, {{"CPU", 1}})).grant();
    }
    waits_ = driver->RequestLease(job, {{"CPU", 2}});
    world.RunFor(milliseconds(10));
    object = ObjectId::OfPut(TaskId(), 1);
    EXPECT_TRUE(world.node->store().Create(object, 10, object_store::CopyKind::kPrimary,
                                           object_store::StoreClientId{7}));
    EXPECT_TRUE(world.node->store().Seal(object, object_store::StoreClientId{7}));
  }

  template <typename M>
  void Play(Process& caller, const M& method, const typename M::Request& request) {
    played.insert(std::string(method.name));
    for (int i = 0; i < times_; ++i) {
      if (method.timeout == Duration(0)) {
        caller.client->Notify(method, request);
      } else {
        caller.client->Call(method, request, [this](Result<typename M::Reply> reply) {
          answers_.insert(reply ? reply->ShortDebugString() : reply.error().ToString());
        });
      }
      world.RunFor(milliseconds(1));
    }
    world.RunFor(milliseconds(100 - times_));  // the same time for all
    world.node->raylet()->CheckInvariants();
  }

  /// \return all that can be seen.
  std::string State() {
    const Raylet::Census census = world.node->raylet()->Count();
    std::string state = fmt::format(
        "workers={} idle={} leases={} queued={} drivers={} started={} answered={} stored={}\n",
        census.workers, census.idle_workers, census.leases, census.queued, census.drivers,
        world.launcher.start_count, waits_->has_value(), world.node->store().Usage().used_bytes);
    world.gcs->ListJobs([&](Result<std::vector<protocol::JobInfo>> jobs) {
      for (const protocol::JobInfo& one : *jobs) state += one.state() + " " + one.message() + "\n";
    });
    world.RunFor(milliseconds(1));
    for (const std::string& answer : answers_) state += answer + "\n";
    return state;
  }

  World world{{{"CPU", 2}}};
  JobId job;
  std::unique_ptr<Process> driver;
  std::array<protocol::Grant, 2> leases;
  ObjectId object;
  std::set<std::string> played;

 private:
  const int times_;
  std::shared_ptr<Process::Answer> waits_;
  std::set<std::string> answers_;
};

void PlayObjects(Played& p) {
  protocol::AdoptObjectsRequest adopt;
  adopt.add_ids(std::string(p.object.Binary()));
  *adopt.mutable_owner() = p.driver->address;
  p.Play(*p.driver, protocol::kAdoptObjects, adopt);
  protocol::FreeObjectsRequest free;
  *free.mutable_ids() = adopt.ids();
  p.Play(*p.driver, protocol::kFreeObjects, free);
}

void PlayWorkers(Played& p) {
  Process& worker = p.world.WorkerOf(p.leases[0]);
  for (const auto& [pid, known] : p.world.launcher.alive) {
    if (known.process.get() != &worker) continue;
    protocol::RegisterWorkerRequest again;
    *again.mutable_address() = worker.address;
    again.set_job_id(std::string(p.job.Binary()));
    again.set_startup_id(std::string(known.startup_id.Binary()));
    p.Play(worker, protocol::kRegisterWorker, again);
  }
  protocol::DescribeDeathRequest death;
  death.set_worker_id(std::string(WorkerId::kSize, 'u'));
  p.Play(worker, protocol::kDescribeDeath, death);
  protocol::SetBlockedRequest blocked;
  for (const bool is_blocked : {true, false}) {
    blocked.set_blocked(is_blocked);
    p.Play(worker, protocol::kSetBlocked, blocked);
  }
}

void PlayLeases(Played& p) {
  protocol::KeepLeasesRequest keep;
  keep.set_owner_id(p.driver->address.worker_id());
  keep.add_lease_ids(p.leases[0].lease_id());
  p.Play(*p.driver, protocol::kKeepLeases, keep);  // the other one is over
  protocol::CancelLeaseRequest cancel;
  cancel.set_request_id("unknown");
  p.Play(*p.driver, protocol::kCancelLease, cancel);
  protocol::ReturnLeaseRequest back;
  back.set_lease_id(p.leases[0].lease_id());
  p.Play(*p.driver, protocol::kReturnLease, back);
  protocol::EndLostWorkerRequest lost;
  lost.set_lease_id(p.leases[1].lease_id());
  lost.set_worker_id(p.leases[1].worker().worker_id());
  p.Play(*p.driver, protocol::kEndLostWorker, lost);
}

void PlayEnd(Played& p) {
  protocol::EndJobRequest finish;
  finish.set_job_id(std::string(p.job.Binary()));
  finish.set_failure("exit code 3");
  p.Play(*p.driver, protocol::kEndJob, finish);
}

TEST(RayletTwiceTest, EveryRequestTwiceEqualsOnce) {
  Played once(1);
  Played twice(2);
  for (const auto play : {PlayObjects, PlayWorkers, PlayLeases, PlayEnd}) {
    play(once);
    play(twice);
    EXPECT_EQ(once.State(), twice.State());
  }
  // Never sent again; and what a raylet calls itself.
  once.played.insert(
      {std::string(protocol::kRequestLease.name), std::string(protocol::kReclaimLeases.name),
       std::string(protocol::kNodeDied.name), std::string(protocol::kExitWorker.name)});
  const auto* file = protocol::RegisterWorkerRequest::descriptor()->file();
  const auto* service = file->FindServiceByName("RayletService");
  for (int i = 0; i < service->method_count(); ++i) {
    const std::string name = service->full_name() + "/" + service->method(i)->name();
    EXPECT_TRUE(once.played.contains(name)) << "add a sample of " << name;
  }
}

}  // namespace
}  // namespace mobula::raylet::testing
