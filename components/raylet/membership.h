/// \file
/// \brief A node as a member of its cluster: what the GCS knows of it, and it of the others.
///
///     made ──Join──► registering ──► member ──Leave──► gone
///                         └────────────┴─► must exit: fenced, or the GCS is gone for good
///
/// A member sends heartbeats, or the GCS declares it dead. What changes here is reported a little
/// later, so that many changes make one message. In return the GCS tells of the other nodes, of
/// processes that died and of jobs that ended: first all that is so, then what changes. While the
/// GCS is away nothing of this arrives, and the picture of the others grows stale; that is safe,
/// because each node grants leases on its own books.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "components/base/event_log.h"
#include "components/base/lifetime.h"
#include "components/gcs/client.h"
#include "components/protocol/gcs.pb.h"
#include "components/transport/rpc/client_pool.h"

namespace mobula::raylet {

/// Threads: the state lock. Lifetime: everything in `Deps` outlives it.
class Membership {
 public:
  struct Deps {
    EventLoop& loop;
    gcs::GcsClient& gcs;
    rpc::ClientPool& peers;
    EventLog& log;
  };
  /// What the node does with news. All are set; none runs after `Stop`.
  struct Hooks {
    /// Writes into a report what may have changed since the last one.
    std::function<void(protocol::NodeInfo&)> fill_report;
    std::function<void(const protocol::NodeInfo&)> on_node;  ///< Another node joined or changed.
    /// Another node died, perhaps one that we were never told of while it lived.
    std::function<void(const NodeId&, const std::string& reason)> on_node_died;
    std::function<void(const protocol::WorkerDeath&)> on_owner_died;
    std::function<void(const JobId&)> on_job_ended;
    std::function<void(const Error&)> on_must_exit;
  };
  Membership(const Deps& deps, Hooks hooks);

  /// Registers `self` with the GCS, then subscribes. \pre called once.
  void Join(protocol::NodeInfo self, Done<void> joined);
  /// Something changed: the GCS is told within 20 ms. Before it has joined this does nothing.
  void ReportSoon();
  /// Says that this node ends on purpose. `done` runs when the GCS knows, or after 1 s.
  void Leave(std::string reason, std::move_only_function<void()> done);
  /// Twice is harmless.
  void Stop();

  [[nodiscard]] bool has_joined() const { return has_joined_; }
  /// \return where another living node is reached; empty if it is not known.
  [[nodiscard]] std::string EndpointOf(const NodeId& node) const;
  /// \return whether a living node is reached there.
  [[nodiscard]] bool IsMember(const std::string& endpoint) const;

 private:
  void OnRegistered(const protocol::RegisterNodeReply& reply);
  void SendHeartbeats();
  void OnNode(const protocol::NodeInfo& node);
  void OnNodeDied(const NodeId& node, const std::string& reason);

  Deps deps_;
  Hooks hooks_;
  protocol::NodeInfo self_;                  // as it was last reported
  std::map<NodeId, std::string> endpoints_;  // of other living nodes
  bool has_joined_ = false;
  Duration heartbeat_period_ = std::chrono::seconds(1);
  Timer heartbeat_timer_;
  Timer report_timer_;
  Lifetime alive_;
};

}  // namespace mobula::raylet
