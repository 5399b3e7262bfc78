/// \file
/// \brief Asks raylets for workers, follows them where they send us, and asks again if they fail.
///
///     Adjust ──RequestLease──► asked ──grant──────► on_grant
///                │  ▲            ├─────infeasible─► on_refused: all queued tasks of the key end
///                │  │ backoff    ├─────spill──────► asked, at another raylet
///                │  └────────────┴─────raylet away, at home again; too often: on_refused
///                └─fewer wanted──► cancelled; a grant that comes all the same is returned
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "components/base/event_log.h"
#include "components/base/lifetime.h"
#include "components/base/random.h"
#include "components/core_worker/owner/leased_worker.h"
#include "components/core_worker/owner/raylet_clients.h"
#include "components/protocol/raylet.pb.h"

namespace mobula::core_worker {

/// Who asks for leases, and for what program.
struct LeaseHolder {
  protocol::Address address;
  JobId job;
  protocol::Program program;
};

/// Threads: the state lock. Lifetime: everything in `Deps` outlives it, and groups their requests.
class LeaseRequests {
 public:
  struct Deps {
    EventLoop& loop;
    RayletClients& raylets;
    EventLog& log;
    Random random;
  };
  struct Config {
    Duration backoff_min;
    Duration backoff_max;
    std::uint32_t failures_max;  ///< Of one request in a row, while its key has no worker.
  };
  struct Hooks {
    std::function<void(SchedulingGroup&, const std::string& raylet_endpoint,
                       const protocol::Grant&)>
        on_grant;
    /// No raylet will ever grant this, or none answers.
    std::function<void(SchedulingGroup&, const Error&)> on_refused;
  };
  LeaseRequests(Deps deps, Config config, Hooks hooks);
  void Start(LeaseHolder holder) { holder_ = std::move(holder); }

  /// From now on `wanted` requests of this group are out: new ones are sent, or some cancelled.
  void Adjust(SchedulingGroup& group, std::size_t wanted);
  /// Requests that wait there are made again at home.
  void OnNodeDied(const NodeId& node, const Error& reason);
  [[nodiscard]] std::size_t size() const { return requests_.size(); }
  void Stop();
  void CheckInvariants() const;

 private:
  /// One that is not answered.
  struct Request {
    SchedulingGroup* group = nullptr;
    std::string endpoint;  // of the raylet that has it
    NodeId node;           // of that raylet
    std::uint32_t hops = 0;
    std::uint32_t failures = 0;
    std::unique_ptr<Timer> retry;
  };
  void Add(SchedulingGroup& group, std::uint32_t failures);
  void Send(const LeaseId& id);
  void HandleReply(const LeaseId& id, const std::string& endpoint,
                   Result<protocol::RequestLeaseReply> reply);
  void RetryAtHome(const LeaseId& id, const Error& why);
  void Cancel(const LeaseId& id);
  SchedulingGroup& Erase(const LeaseId& id);

  Deps deps_;
  Config config_;
  Hooks hooks_;
  LeaseHolder holder_;
  std::map<LeaseId, Request> requests_;
  Lifetime alive_;
};

}  // namespace mobula::core_worker
