#include "components/gcs/server/pubsub.h"

#include <ranges>

#include "components/base/check.h"
#include "components/protocol/gcs.pb.h"

namespace mobula::gcs {

void PubSub::Add(SessionId session, std::set<protocol::Channel> channels) {
  Subscriber& subscriber = subscribers_[session];
  const bool in_flight = subscriber.in_flight;  // its acknowledgement is still to come
  subscriber = {};
  subscriber.channels = std::move(channels);
  subscriber.in_flight = in_flight;
}

std::vector<SessionId> PubSub::Publish(const protocol::Delta& delta) {
  std::vector<SessionId> dropped;
  for (auto& [session, subscriber] : subscribers_) {
    if (subscriber.channels.contains(protocol::NODES)) {
      for (const protocol::NodeInfo& node : delta.nodes()) subscriber.nodes[node.node_id()] = node;
    }
    if (subscriber.channels.contains(protocol::WORKERS)) {
      subscriber.deaths.insert(subscriber.deaths.end(), delta.worker_deaths().begin(),
                               delta.worker_deaths().end());
    }
    if (subscriber.channels.contains(protocol::JOBS)) {
      for (const protocol::JobInfo& job : delta.jobs()) subscriber.jobs[job.job_id()] = job;
    }
    if (subscriber.Queued() > queued_max_) dropped.push_back(session);
  }
  for (const SessionId session : dropped) subscribers_.erase(session);
  return dropped;
}

std::optional<protocol::Delta> PubSub::Take(SessionId session) {
  const auto it = subscribers_.find(session);
  if (it == subscribers_.end() || it->second.in_flight || it->second.Queued() == 0) {
    return std::nullopt;
  }
  Subscriber& subscriber = it->second;
  protocol::Delta delta;
  std::size_t room = kDeltaEntriesMax;
  const auto take = [&room](auto& queue, auto move_one) {
    auto entry = queue.begin();
    for (; entry != queue.end() && room > 0; ++entry, --room) move_one(*entry);
    queue.erase(queue.begin(), entry);
  };
  take(subscriber.nodes, [&](auto& e) { *delta.add_nodes() = std::move(e.second); });
  take(subscriber.deaths, [&](auto& e) { *delta.add_worker_deaths() = std::move(e); });
  take(subscriber.jobs, [&](auto& e) { *delta.add_jobs() = std::move(e.second); });
  delta.set_sequence(++subscriber.sequence);
  subscriber.in_flight = true;
  return delta;
}

void PubSub::Acknowledge(SessionId session) {
  const auto it = subscribers_.find(session);
  if (it != subscribers_.end()) it->second.in_flight = false;
}

std::vector<SessionId> PubSub::Subscribers() const {
  const auto sessions = std::views::keys(subscribers_);
  return {sessions.begin(), sessions.end()};
}

std::size_t PubSub::Queued(SessionId session) const {
  const auto it = subscribers_.find(session);
  return it == subscribers_.end() ? 0 : it->second.Queued();
}

void PubSub::CheckInvariants() const {
  for (const auto& [session, subscriber] : subscribers_) {
    Check(session != 0, "a subscriber has a session");
    Check(subscriber.Queued() <= queued_max_, "no queue is longer than configured");
  }
}

}  // namespace mobula::gcs
