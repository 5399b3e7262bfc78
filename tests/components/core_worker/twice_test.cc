// A call that is sent again, as nobody knows whether it ran, must equal one call. Played over every
// such method that a core worker serves, so that one without a sample here fails too.

#include <gtest/gtest.h>

#include "components/protocol/owner_methods.h"
#include "components/protocol/raylet_methods.h"
#include "components/protocol/worker_methods.h"
#include "tests/components/core_worker/sim_cluster.h"

namespace mobula::core_worker::sim {
namespace {

/// A cluster in the midst of work, to which every request is sent `times` times.
class Played {
 public:
  explicit Played(int times) : times_(times) {
    cluster.programs["slow"] = [](const TaskRunPtr& run) {
      run->After(seconds(1), [run] { run->Return("slow"); });
    };
    node = &cluster.AddNode(1);
    owner = &cluster.AddDriver(*node);
    borrower = &cluster.AddDriver(*node);
    small = owner->core.PutInline(nullptr, Serialize("small"));
    large = owner->PutLarge(std::string(1000, 'x'));
    for (int i = 0; i < 3; ++i) results.push_back(owner->Submit("slow", {}));
    borrowed = borrower->Borrow(Mention(results[2]));
    (void)borrower->core.Get(borrowed, [this](Result<Payload> value) {
      got = value ? std::string(value->text()) : value.error().ToString();
    });
    cluster.RunFor(milliseconds(100));
    worker = node->FindWorker([](const Process&) { return true; });
    services_.HandleNotification(protocol::kStatus,
                                 [this](const protocol::StatusRequest& request, rpc::Peer&) {
                                   for (const protocol::ObjectStatus& object : request.objects()) {
                                     replies_.insert(object.ShortDebugString());
                                   }
                                 });
  }

  template <typename M>
  void Play(Process& target, const M& method, const typename M::Request& request) {
    played.insert(method.id);
    std::optional<rpc::Client>& client = clients_[target.worker_id()];
    if (!client) {
      client.emplace(cluster.loop, *cluster.transport, target.address().endpoint(), Random(9),
                     rpc::ClientOptions(), &services_);
      client->Connect();
      cluster.RunFor(milliseconds(1));
    }
    for (int i = 0; i < times_; ++i) {
      if (method.timeout == Duration(0)) {
        client->Notify(method, request);
      } else {
        client->Call(method, request, [this, &method](Result<typename M::Reply> reply) {
          replies_.insert(std::string(method.name) + ": " +
                          (reply ? reply->ShortDebugString() : reply.error().ToString()));
        });
      }
      cluster.RunFor(milliseconds(1));
    }
    cluster.RunFor(milliseconds(2 - times_));  // the same time for all
    for (const Process* process : {owner, borrower, worker}) process->core.CheckInvariants();
  }

  /// \return all that can be seen.
  std::string State() {
    std::string state = cluster.LeftOver() + "got: " + got + "\n";
    for (const std::string& said : replies_) state += said + "\n";
    const ObjectState known = owner->core.references().Peek(large->id);
    if (const auto* stored = std::get_if<InStore>(&known)) {
      for (const auto& [where, endpoint] : stored->copies) state += endpoint + "\n";
    }
    return state + fmt::format("slow ran {} times; must exit: {}\n", cluster.runs["slow"],
                               worker->must_exit.has_value());
  }

  Cluster cluster;
  Node* node = nullptr;
  Process *owner = nullptr, *borrower = nullptr, *worker = nullptr;
  ReferencePtr small, large, borrowed;
  std::vector<ReferencePtr> results;
  std::string got = "nothing";
  std::set<std::uint32_t> played;

 private:
  const int times_;
  rpc::ServiceTable services_;
  std::map<std::string, std::optional<rpc::Client>> clients_;  // by worker id
  std::set<std::string> replies_;
};

using Sample = std::function<void(Played&)>;

std::string IdOf(const ReferencePtr& reference) { return std::string(reference->id.Binary()); }

/// What owners ask of workers.
std::vector<Sample> WorkerSamples() {
  return {
      [](Played& p) {
        protocol::OpenLeaseRequest open;
        open.set_lease_id(std::string(LeaseId::kSize, 'L'));
        *open.mutable_owner() = p.borrower->address();
        open.mutable_program()->set_hash(p.cluster.program);
        p.Play(*p.worker, protocol::kOpenLease, open);
        open.mutable_program()->set_hash("another program");
        p.Play(*p.worker, protocol::kOpenLease, open);
      },
      [](Played& p) {
        protocol::TakeBackRequest back;
        back.set_lease_id(p.node->lease_ids().at(0));
        back.set_keep(1);
        p.Play(*p.worker, protocol::kTakeBack, back);
      },
      [](Played& p) {
        protocol::ReleaseHandoffRequest release;
        release.add_task_ids(std::string(p.results[0]->id.Task().Binary()));
        p.Play(*p.worker, protocol::kReleaseHandoff, release);
      },
  };
}

/// What borrowers and owners tell each other.
std::vector<Sample> OwnerSamples() {
  return {
      [](Played& p) {
        protocol::WatchRequest watch;
        for (const auto& reference : {p.small, p.large, p.results[0]}) {
          watch.add_ids(IdOf(reference));
        }
        watch.add_ids(std::string(ObjectId::kSize, 'u'));  // which it does not know
        p.Play(*p.owner, protocol::kWatch, watch);
      },
      [](Played& p) {
        protocol::StatusRequest status;
        protocol::ObjectStatus* object = status.add_objects();
        object->set_id(IdOf(p.borrowed));
        object->set_inline_value("early");
        p.Play(*p.borrower, protocol::kStatus, status);
      },
      [](Played& p) {
        protocol::AddBorrowsRequest add;
        add.add_ids(IdOf(p.small));
        add.add_ids(std::string(ObjectId::kSize, 'u'));
        add.mutable_borrower()->set_worker_id(std::string(WorkerId::kSize, 'b'));
        p.Play(*p.owner, protocol::kAddBorrows, add);
        p.small.reset();  // kept by the borrower only
        p.cluster.RunFor(milliseconds(1));
      },
      [](Played& p) {
        protocol::RemoveBorrowsRequest remove;
        remove.add_ids(std::string(ObjectId::kSize, 'u'));
        remove.set_borrower_id(std::string(WorkerId::kSize, 'b'));
        p.Play(*p.owner, protocol::kRemoveBorrows, remove);
      },
      [](Played& p) {
        protocol::ReportCopiesRequest report;
        report.add_added_ids(IdOf(p.large));
        report.mutable_node()->set_node_id(std::string(NodeId::kSize, 'n'));
        report.mutable_node()->set_raylet_endpoint("inproc://elsewhere");
        p.Play(*p.owner, protocol::kReportCopies, report);
        protocol::ReportCopiesRequest missing;
        missing.add_missing_ids(IdOf(p.large));
        missing.add_missing_endpoints("inproc://elsewhere");
        p.Play(*p.owner, protocol::kReportCopies, missing);
      },
  };
}

/// What raylets tell their processes.
std::vector<Sample> RayletSamples() {
  return {
      [](Played& p) {
        protocol::ReclaimLeasesRequest reclaim;
        reclaim.add_lease_ids(p.node->lease_ids().at(0));
        p.Play(*p.owner, protocol::kReclaimLeases, reclaim);
      },
      [](Played& p) {
        protocol::NodeDiedRequest died;
        died.set_node_id(std::string(NodeId::kSize, 'd'));
        p.Play(*p.owner, protocol::kNodeDied, died);
        died.set_node_id(std::string(p.node->id.Binary()));  // with the only copy of `large`
        p.Play(*p.borrower, protocol::kNodeDied, died);
      },
      [](Played& p) {
        protocol::ExitWorkerRequest exit;
        p.Play(*p.worker, protocol::kExitWorker, exit);  // it is busy
        exit.set_force(true);
        p.Play(*p.worker, protocol::kExitWorker, exit);
      },
  };
}

TEST(CoreWorkerTwiceTest, EveryRequestTwiceEqualsOnce) {
  Played once(1);
  Played twice(2);
  for (const auto& samples : {WorkerSamples(), OwnerSamples(), RayletSamples()}) {
    for (const Sample& sample : samples) {
      sample(once);
      sample(twice);
      EXPECT_EQ(once.State(), twice.State());
    }
  }
  for (const auto& [id, entry] : once.owner->assembly->services().entries()) {
    if (entry.info.idempotency == rpc::Idempotency::kOnce) continue;  // never sent again
    EXPECT_TRUE(once.played.contains(id)) << "add a sample of " << entry.info.name;
  }
  for (Played* played : {&once, &twice}) {
    for (const ReferencePtr& result : played->results) {
      EXPECT_EQ(played->owner->Get(result).value_or("?"), "slow");
    }
  }
  EXPECT_EQ(once.State(), twice.State());
}

}  // namespace
}  // namespace mobula::core_worker::sim
