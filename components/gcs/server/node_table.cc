#include "components/gcs/server/node_table.h"

#include <algorithm>

#include "components/base/check.h"
#include "components/base/config_value.h"
#include "components/protocol/gcs_convert.h"

namespace mobula::gcs {

Result<void> NodeTable::Load(const Stored& stored, const Past& past) {
  // The versions of heartbeats are not stored. A new generation begins above all that the earlier
  // ones can have given, so that subscribers take its records for newer than those they know.
  last_version_ = past.generation << 32;
  last_epoch_ = NumberIn(past, kLastEpochKey);
  for (const auto& [key, bytes] : stored.records) {
    auto info = ReadRecord<protocol::NodeInfo>(*this, key, bytes);
    if (!info) return Fail(std::move(info.error()));
    const NodeId id = protocol::IdOf(*info);
    if (id.IsNil() || info->node_id() != key) {
      return Fail(ErrorCode::kCorrupt, "stored node {} has the id of another", ToHex(key));
    }
    if (!protocol::IsAlive(*info)) dead_.emplace(info->version(), id);
    // Nodes went on while there was no GCS. They need time to find this one.
    nodes_[id] = {.info = std::move(*info), .deadline = past.now + config_.heartbeat_timeout};
  }
  return {};
}

void NodeTable::ForEachRecord(const Visit& visit) const {
  ForEach([&visit](const protocol::NodeInfo& node) {
    visit(node.node_id(), protocol::Serialize(node));
  });
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
    // An unknown node that carries an epoch was here before, died, and was forgotten since. Others
    // have been given its work, so it may not come back under this id.
    if (info.epoch() != 0) {
      return Fail(ErrorCode::kNodeDied,
                  "node {} of epoch {} is not known any more; register with a fresh id", id.Short(),
                  info.epoch());
    }
    return AddNode(std::move(info), session, now, wall_now, step);
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
  // The same node over a new connection: either side lost the old one. It keeps its epoch, and what
  // it says of itself may have changed while it was away.
  RenewDeadline(node, session, now);
  if (Update(node, std::move(info))) StoreChange(node, step);
  return node.info.epoch();
}

std::uint64_t NodeTable::AddNode(protocol::NodeInfo info, SessionId session, TimePoint now,
                                 Duration wall_now, Step& step) {
  Node& node = nodes_[protocol::IdOf(info)];
  node.info = std::move(info);
  node.info.set_state(protocol::ALIVE);
  node.info.clear_death_reason();
  node.info.set_start_time_ms(protocol::Milliseconds(wall_now));
  // The epoch is stored in the same batch as the node: were it given out again after a restart, a
  // dead node could pass for a living one.
  node.info.set_epoch(++last_epoch_);
  step.Store(kMetaTable, kLastEpochKey, fmt::format("{}", last_epoch_));
  RenewDeadline(node, session, now);
  StoreChange(node, step);
  return node.info.epoch();
}

bool NodeTable::Heartbeat(const protocol::HeartbeatRequest& request, SessionId session,
                          TimePoint now, Step& step) {
  // The sender was declared dead while it could not hear it, or is an earlier self of the node.
  // "Not known" tells it to stop.
  Node* const node = FindAlive(request.node_id(), request.epoch());
  if (node == nullptr) return false;
  RenewDeadline(*node, session, now);
  // Counts of workers and free resources change all the time, so they are told but not stored: a
  // restarted GCS gets them again with the next registration.
  if (request.has_changed() && Update(*node, request.changed())) TellChange(*node, step);
  return true;
}

std::optional<NodeId> NodeTable::SessionLost(SessionId session, TimePoint now) {
  for (auto& [id, node] : nodes_) {
    if (node.session != session) continue;
    node.session = 0;
    if (!protocol::IsAlive(node.info)) return std::nullopt;
    // Networks blink: the node gets a moment to come back. It keeps an earlier deadline, which
    // counts the silence before the connection broke.
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
  StoreChange(node, step);
  dead_.emplace(node.info.version(), id);
  // People look at the dead for a while; the bound keeps a flapping cluster from filling the disk.
  // A forgotten node is recognised by the epoch that it carries.
  while (dead_.size() > config_.dead_nodes_kept_max) {
    step.Erase(Name(), dead_.begin()->second.Binary());
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

void NodeTable::RestartDeadlines(TimePoint now) {
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

// A message of the node is a sign of life, and says over which connection it speaks now.
void NodeTable::RenewDeadline(Node& node, SessionId session, TimePoint now) {
  node.session = session;
  node.suspect = false;
  node.deadline = now + config_.heartbeat_timeout;
}

//! [gcs-update]
// Takes over what a node says of itself, but not what only the GCS may decide: its state, epoch and
// age. Returns whether anything changed.
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

void NodeTable::TellChange(Node& node, Step& step) {
  node.info.set_version(++last_version_);
  step.Tell(channel(), node.info.node_id(), protocol::Serialize(node.info));
}

void NodeTable::StoreChange(Node& node, Step& step) {
  TellChange(node, step);
  step.Store(Name(), node.info.node_id(), step.records.back().value());
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
