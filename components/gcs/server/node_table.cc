#include "components/gcs/server/node_table.h"

#include <algorithm>

#include "components/base/check.h"
#include "components/base/config_value.h"
#include "components/protocol/gcs_convert.h"

namespace mobula::gcs {

Result<void> NodeTable::Load(const Storage::Entries& entries, Given given, TimePoint now) {
  last_version_ = given.version;
  last_epoch_ = given.epoch;
  for (const auto& [key, value] : entries) {
    Node node;
    if (!node.info.ParseFromString(value) || node.info.node_id() != key ||
        protocol::IdOf(node.info).IsNil()) {
      return Fail(ErrorCode::kCorrupt, "stored node {} is not a valid record", ToHex(key));
    }
    const NodeId id = protocol::IdOf(node.info);
    if (!protocol::IsAlive(node.info)) dead_.emplace(node.info.version(), id);
    node.deadline = now + config_.heartbeat_timeout;
    nodes_.emplace(id, std::move(node));
  }
  return {};
}

Result<std::uint64_t> NodeTable::Register(protocol::NodeInfo info, SessionId session, TimePoint now,
                                          Duration wall_now, Step& step) {
  const NodeId id = protocol::IdOf(info);
  if (id.IsNil()) {
    return Fail(ErrorCode::kInvalidArgument, "a node registered with an id of {} bytes, not {}",
                info.node_id().size(), NodeId::kSize);
  }
  const auto it = nodes_.find(id);
  if (it == nodes_.end()) {
    if (info.epoch() != 0) {
      return Fail(ErrorCode::kNodeDied,
                  "node {} of epoch {} is not known any more; register with a fresh id", id.Short(),
                  info.epoch());
    }
    Node& node = nodes_[id];
    node.info = std::move(info);
    node.info.set_state(protocol::ALIVE);
    node.info.clear_death_reason();
    node.info.set_epoch(++last_epoch_);
    step.Store(kMetaTable, kLastEpochKey, fmt::format("{}", last_epoch_));
    node.info.set_start_time_ms(protocol::Milliseconds(wall_now));
    HeardOf(node, session, now);
    Changed(node, step);
    return node.info.epoch();
  }
  Node& node = it->second;
  if (!protocol::IsAlive(node.info)) {
    return Fail(ErrorCode::kNodeDied, "node {} was declared dead ({}); register with a fresh id",
                id.Short(), node.info.death_reason());
  }
  if (info.epoch() != 0 && info.epoch() != node.info.epoch()) {
    return Fail(ErrorCode::kNodeDied, "node {} is of epoch {}, not {}; register with a fresh id",
                id.Short(), node.info.epoch(), info.epoch());
  }
  HeardOf(node, session, now);
  if (Update(node, std::move(info))) Changed(node, step);
  return node.info.epoch();
}

bool NodeTable::Heartbeat(const protocol::HeartbeatRequest& request, SessionId session,
                          TimePoint now, Step& step) {
  Node* const node = FindAlive(request.node_id(), request.epoch());
  if (node == nullptr) return false;
  HeardOf(*node, session, now);
  if (request.has_changed() && Update(*node, request.changed())) {
    node->info.set_version(++last_version_);  // not stored: a restarted GCS hears it again
    *step.delta.add_nodes() = node->info;
  }
  return true;
}

std::optional<NodeId> NodeTable::SessionLost(SessionId session, TimePoint now) {
  for (auto& [id, node] : nodes_) {
    if (node.session != session) continue;
    node.session = 0;
    if (!protocol::IsAlive(node.info)) return std::nullopt;
    node.suspect = true;
    node.deadline = std::min(node.deadline, now + config_.reconnect_grace);
    return id;
  }
  return std::nullopt;
}

bool NodeTable::DeclareDead(const NodeId& id, std::string reason, Step& step) {
  const auto it = nodes_.find(id);
  if (it == nodes_.end() || !protocol::IsAlive(it->second.info)) return false;
  Node& node = it->second;
  node.info.set_state(protocol::DEAD);
  node.info.set_death_reason(std::move(reason));
  Changed(node, step);
  dead_.emplace(node.info.version(), id);
  while (dead_.size() > config_.dead_nodes_kept_max) {
    step.Erase(kNodeTable, dead_.begin()->second.Binary());
    nodes_.erase(dead_.begin()->second);
    dead_.erase(dead_.begin());
  }
  return true;
}

std::vector<std::pair<NodeId, std::string>> NodeTable::Overdue(TimePoint now) const {
  std::vector<std::pair<NodeId, std::string>> overdue;
  for (const auto& [id, node] : nodes_) {
    if (!protocol::IsAlive(node.info) || node.deadline > now) continue;
    overdue.emplace_back(id, node.suspect ? fmt::format("connection lost and not back within {}",
                                                        FormatTime(config_.reconnect_grace))
                                          : fmt::format("no heartbeat for {}",
                                                        FormatTime(config_.heartbeat_timeout)));
  }
  return overdue;
}

void NodeTable::Forgive(TimePoint now) {
  for (auto& [id, node] : nodes_) {
    node.deadline = now + (node.suspect ? config_.reconnect_grace : config_.heartbeat_timeout);
  }
}

TimePoint NodeTable::NextDeadline() const {
  TimePoint next = TimePoint::max();
  for (const auto& [id, node] : nodes_) {
    if (protocol::IsAlive(node.info)) next = std::min(next, node.deadline);
  }
  return next;
}

const protocol::NodeInfo* NodeTable::Find(const NodeId& id) const {
  const auto it = nodes_.find(id);
  return it == nodes_.end() ? nullptr : &it->second.info;
}

NodeTable::Node* NodeTable::FindAlive(std::string_view id, std::uint64_t epoch) {
  const auto it = nodes_.find(NodeId::FromBinaryOrNil(id));
  if (it == nodes_.end() || !protocol::IsAlive(it->second.info)) return nullptr;
  return it->second.info.epoch() == epoch ? &it->second : nullptr;
}

void NodeTable::HeardOf(Node& node, SessionId session, TimePoint now) {
  node.session = session;
  node.suspect = false;
  node.deadline = now + config_.heartbeat_timeout;
}

//! [gcs-update]
/// What a node says of itself, but for what is the GCS's to say. \return whether that is news.
bool NodeTable::Update(Node& node, protocol::NodeInfo changed) {
  changed.set_node_id(node.info.node_id());
  changed.set_state(changed.state() == protocol::DRAINING ? protocol::DRAINING : protocol::ALIVE);
  changed.set_epoch(node.info.epoch());
  changed.clear_death_reason();
  changed.set_start_time_ms(node.info.start_time_ms());
  if (protocol::SameFacts(node.info, changed)) return false;
  changed.set_version(node.info.version());
  node.info = std::move(changed);
  return true;
}
//! [gcs-update]

void NodeTable::Changed(Node& node, Step& step) {
  node.info.set_version(++last_version_);
  step.Store(kNodeTable, node.info.node_id(), protocol::Serialize(node.info));
  *step.delta.add_nodes() = node.info;
}

void NodeTable::CheckInvariants() const {
  std::map<std::uint64_t, NodeId> epochs;
  std::size_t dead = 0;
  for (const auto& [id, node] : nodes_) {
    Check(id == protocol::IdOf(node.info), "a node is filed under its own id");
    Check(node.info.version() <= last_version_, "no version was given out of turn");
    Check(epochs.emplace(node.info.epoch(), id).second, "an epoch belongs to one node");
    dead += protocol::IsAlive(node.info) ? 0 : 1;
  }
  Check(dead == dead_.size(), "the dead are counted");
  Check(dead <= config_.dead_nodes_kept_max, "no more dead nodes are kept than configured");
}

}  // namespace mobula::gcs
