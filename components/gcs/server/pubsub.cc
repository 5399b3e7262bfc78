#include "components/gcs/server/pubsub.h"

#include <ranges>

#include "components/base/check.h"

namespace mobula::gcs {

void PubSub::Add(SessionId session, Topics topics) {
  Subscriber& subscriber = subscribers_[session];
  // A subscriber that asks again is told everything anew, so what waited for it is dropped. A delta
  // of before may still be on its way, and its acknowledgement must not be taken for a later one's.
  const bool in_flight = subscriber.in_flight;
  subscriber = {};
  subscriber.topics = std::move(topics);
  subscriber.in_flight = in_flight;
}

std::vector<SessionId> PubSub::Publish(const std::vector<protocol::Record>& records) {
  std::vector<SessionId> dropped;
  for (auto& [session, subscriber] : subscribers_) {
    for (const protocol::Record& record : records) {
      if (!subscriber.topics.Contains(record.channel(), record.key())) continue;
      // An older state that still waits is replaced: it is of no use to anybody any more.
      subscriber.waiting.insert_or_assign({record.channel(), record.key()}, record.value());
    }
    // More than the bound waits: the subscriber is too slow for what it asked for. It is cheaper to
    // let it go, and to send it one snapshot when it comes back, than to keep all of this.
    if (subscriber.waiting.size() > queued_max_) dropped.push_back(session);
  }
  for (const SessionId session : dropped) subscribers_.erase(session);
  return dropped;
}

std::optional<protocol::Delta> PubSub::Take(SessionId session) {
  const auto it = subscribers_.find(session);
  if (it == subscribers_.end() || it->second.in_flight || it->second.waiting.empty()) {
    return std::nullopt;
  }
  Subscriber& subscriber = it->second;
  protocol::Delta delta;
  // The rest stays for the next delta, which goes out when this one is acknowledged.
  while (!subscriber.waiting.empty() &&
         static_cast<std::size_t>(delta.records_size()) < kDeltaRecordsMax) {
    auto taken = subscriber.waiting.extract(subscriber.waiting.begin());
    protocol::Record& record = *delta.add_records();
    record.set_channel(taken.key().first);
    record.set_key(std::move(taken.key().second));
    record.set_value(std::move(taken.mapped()));
  }
  delta.set_sequence(++subscriber.sequence);
  subscriber.in_flight = true;
  return delta;
}

void PubSub::Acknowledge(SessionId session) {
  const auto it = subscribers_.find(session);
  // The subscriber has this delta. All that changed meanwhile can go out in the next one.
  if (it != subscribers_.end()) it->second.in_flight = false;
}

std::vector<SessionId> PubSub::Subscribers() const {
  const auto sessions = std::views::keys(subscribers_);
  return {sessions.begin(), sessions.end()};
}

std::size_t PubSub::Queued(SessionId session) const {
  const auto it = subscribers_.find(session);
  return it == subscribers_.end() ? 0 : it->second.waiting.size();
}

void PubSub::CheckInvariants() const {
  for (const auto& [session, subscriber] : subscribers_) {
    Check(session != 0, "a subscriber has a session");
    Check(subscriber.waiting.size() <= queued_max_, "no queue is longer than configured");
  }
}

}  // namespace mobula::gcs
