/// \file
/// \edge
/// \brief Our dealings with the owners of what we borrow.
///
/// What there is to tell an owner (we borrow, we borrow no more, we wait for this, our node has a
/// copy) is collected for a turn of the loop and sent in few messages.
///
/// *The barrier.* A registration counts when the owner has answered it. `AfterAcknowledged` runs
/// what may only happen then: else a reference could be dropped by the one who passed it on before
/// its owner knows of us, and the object would be freed under our hands.
///
/// *An owner that cannot be reached* may still be alive. Only the GCS or the raylet of its node may
/// declare it dead; our raylet asks them. Until it is declared dead it is tried again, for
/// `owner_away_max` at most.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "components/base/lifetime.h"
#include "components/core_worker/owner/object_state.h"
#include "components/protocol/owner.pb.h"
#include "components/transport/rpc/client_pool.h"

namespace mobula::core_worker {

/// Threads: the state lock. Lifetime: everything in `Deps` outlives it.
class OwnerLinks {
 public:
  struct Deps {
    EventLoop& loop;
    rpc::ClientPool& peers;  ///< To owners, by endpoint.
    rpc::Client& raylet;     ///< Of this node: knows how processes end.
  };
  struct Config {
    Duration owner_away_max;
    std::size_t batch_ids_max;
  };
  struct Hooks {
    /// \return whether somebody here waits for the object's state.
    std::function<bool(const ObjectId&)> is_wanted;
    /// The owner is dead (kOwnerDied) or was away for too long (kUnavailable).
    std::function<void(const ObjectId&, const Error&)> on_owner_lost;
  };
  OwnerLinks(Deps deps, Config config, Hooks hooks);

  /// Who we are: what owners know us by.
  void SetSelf(const protocol::Address& self) { self_ = self; }

  /// Registers us as a borrower, and takes that back.
  void AddBorrow(const ObjectId& id, const OwnerPtr& owner);
  void RemoveBorrow(const ObjectId& id, const OwnerPtr& owner);
  /// The owner tells the object's state when it is known.
  void AskFor(const ObjectId& id, const OwnerPtr& owner);
  void ReportCopy(const ObjectId& id, const OwnerPtr& owner, const NodeId& node,
                  const std::string& raylet_endpoint);
  void ReportMissing(const ObjectId& id, const OwnerPtr& owner,
                     std::vector<std::string> raylet_endpoints);

  /// Runs `next` when every registration begun so far is answered, or its owner is given up; at
  /// once, inside this call, if there is none outstanding.
  void AfterAcknowledged(std::move_only_function<void()> next);
  /// All owners on this node are dead.
  void DropNode(const NodeId& node, std::string_view reason);
  void Stop();

 private:
  /// Outlives its clients, which may serve others too: each that gives up is replaced until the
  /// owner is reached, is known to be dead, or was away for too long.
  struct Link {
    OwnerPtr owner;
    protocol::Address address;            // the same, decoded
    std::shared_ptr<rpc::Client> client;  // owners: the pool and this link
    std::optional<TimePoint> away_since;  // the first client gave up; none was connected since
    std::set<ObjectId> borrowed;
    std::vector<ObjectId> to_add, to_ask;
    std::set<ObjectId> to_remove;
    protocol::ReportCopiesRequest report;
    std::uint64_t failed_batch = 0;  // the oldest registration to make again; 0: none
    Lifetime alive;
  };
  Link& LinkTo(const OwnerPtr& owner);
  void Connect(Link& link);
  void OnConnected(Link& link);
  void OnGone(Link& link, const Error& reason);
  void End(Link& link, ErrorCode code, std::string_view why);
  void ScheduleFlush();
  void Flush(Link& link);
  void SendAdds(Link& link);
  void SendRemoves(Link& link);
  void OnAdded(const std::string& owner, std::uint64_t batch, const Result<protocol::Ack>& reply);
  void FinishBatch(std::uint64_t batch);

  Deps deps_;
  Config config_;
  Hooks hooks_;
  protocol::Address self_;
  std::map<std::string, Link, std::less<>> links_;  // by encoded address: a stable order
  bool is_flush_due_ = false;
  std::multiset<std::uint64_t> batches_;  // registrations that are not answered, by message
  std::uint64_t last_batch_ = 0;
  std::deque<std::pair<std::uint64_t, std::move_only_function<void()>>> after_;  // by batch
  Lifetime alive_;
};

}  // namespace mobula::core_worker
