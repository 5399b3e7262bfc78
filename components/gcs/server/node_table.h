/// \file
/// \brief Which nodes there are, and which of them are dead. A plain state machine.
///
///     Register ─► ALIVE ──SessionLost──► suspect ──reconnect_grace──► DEAD
///                   ▲───Register, Heartbeat──┘                         ▲
///                   └──────── silent for heartbeat_timeout, Leave ─────┘
///
/// Death is final. A node id names one incarnation: once dead it is refused for ever, even after
/// its record was forgotten, because a node that registers again carries the epoch it was given.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "components/base/event_loop.h"
#include "components/gcs/server.h"
#include "components/gcs/server/table.h"
#include "components/protocol/gcs.pb.h"

namespace mobula::gcs {

/// Threads: one. Time is a parameter.
class NodeTable final : public Table {
 public:
  explicit NodeTable(const ServerConfig& config) : config_(config) {}

  [[nodiscard]] std::string_view Name() const override { return "nodes"; }
  [[nodiscard]] protocol::Channel channel() const override { return protocol::NODES; }
  [[nodiscard]] Loads loads() const override { return Loads::kRecords; }
  /// Nodes that lived have `heartbeat_timeout` to come back. Versions and epochs given out from now
  /// on are above those that an earlier GCS gave.
  [[nodiscard]] Result<void> Load(const Stored& stored, const Past& past) override;
  void ForEachRecord(const Visit& visit) const override;

  /// Lets a node in, or back in over another connection. \return its epoch. kInvalidArgument: no
  /// node id. kNodeDied: it was declared dead and must register with a fresh id.
  [[nodiscard]] Result<std::uint64_t> Register(protocol::NodeInfo info, SessionId session,
                                               TimePoint now, Duration wall_now, Step& step);
  /// \return false if the node is not one of the living in this epoch.
  [[nodiscard]] bool Heartbeat(const protocol::HeartbeatRequest& request, SessionId session,
                               TimePoint now, Step& step);
  /// \return the node that this connection spoke for, suspect from now on.
  std::optional<NodeId> SessionLost(SessionId session, TimePoint now);
  /// \return false if it is unknown or dead already.
  bool DeclareDead(const NodeId& id, std::string reason, Step& step);
  /// \return the living whose time is up, and why; the caller declares them dead.
  [[nodiscard]] std::vector<std::pair<NodeId, std::string>> Overdue(TimePoint now) const;
  /// Starts the wait for every node anew: a GCS that was itself paused has heard nobody meanwhile.
  void RestartDeadlines(TimePoint now);
  /// \return when the next one is overdue if nothing is heard; max if none can be.
  [[nodiscard]] TimePoint NextDeadline() const;

  /// \return null if it never was here, or was forgotten since it died.
  [[nodiscard]] const protocol::NodeInfo* Find(const NodeId& id) const;
  /// Visits all of them, the dead too, by id.
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (const auto& [id, node] : nodes_) visit(node.info);
  }
  [[nodiscard]] std::size_t alive_count() const { return nodes_.size() - dead_.size(); }
  void CheckInvariants() const override;

 private:
  struct Node {
    protocol::NodeInfo info;
    SessionId session = 0;  // 0: not connected
    TimePoint deadline;     // of the living: declared dead then
    bool suspect = false;
  };
  Node* FindAlive(std::string_view id, std::uint64_t epoch);
  std::uint64_t AddNode(protocol::NodeInfo info, SessionId session, TimePoint now,
                        Duration wall_now, Step& step);
  void RenewDeadline(Node& node, SessionId session, TimePoint now);
  bool Update(Node& node, protocol::NodeInfo changed);
  void TellChange(Node& node, Step& step);
  void StoreChange(Node& node, Step& step);

  const ServerConfig& config_;
  std::map<NodeId, Node> nodes_;
  std::map<std::uint64_t, NodeId> dead_;  // by version: in the order they died
  std::uint64_t last_version_ = 0;
  std::uint64_t last_epoch_ = 0;
};

/// Under this key of the meta table stands the highest epoch given, in decimal.
inline constexpr char kLastEpochKey[] = "last_epoch";

}  // namespace mobula::gcs
