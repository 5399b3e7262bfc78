/// \file
/// \brief What each subscriber has still to hear. A plain state machine.
///
/// One delta is in flight to a subscriber at a time; meanwhile later changes merge: of each record
/// only the newest bytes wait. A slow subscriber therefore gets fewer and newer facts, not a longer
/// queue. One that has too much waiting all the same is dropped and must subscribe again.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "components/gcs/server/step.h"
#include "components/gcs/server/tables.h"
#include "components/protocol/gcs.pb.h"

namespace mobula::gcs {

/// Threads: one. Sends nothing: the server takes deltas out and reports their arrival.
class PubSub {
 public:
  static constexpr std::size_t kDeltaRecordsMax = 1000;  ///< Keeps a delta below the frame limit.

  /// \param queued_max records that may wait for one subscriber.
  explicit PubSub(std::size_t queued_max) : queued_max_(queued_max) {}

  /// Adds a subscriber, or starts it anew with other topics.
  void Add(SessionId session, Topics topics);
  void Remove(SessionId session) { subscribers_.erase(session); }
  /// Queues each record to all who want it. \return those above the bound, removed.
  [[nodiscard]] std::vector<SessionId> Publish(const std::vector<protocol::Record>& records);
  /// \return what to send now; nullopt if nothing waits or the last one is not acknowledged.
  [[nodiscard]] std::optional<protocol::Delta> Take(SessionId session);
  void Acknowledge(SessionId session);
  /// \return every subscriber, by age.
  [[nodiscard]] std::vector<SessionId> Subscribers() const;
  /// \return records that wait for one.
  [[nodiscard]] std::size_t Queued(SessionId session) const;
  void CheckInvariants() const;

 private:
  struct Subscriber {
    Topics topics;
    std::map<std::pair<protocol::Channel, std::string>, std::string> waiting;  // newest bytes
    std::uint64_t sequence = 0;
    bool in_flight = false;
  };

  std::size_t queued_max_;
  std::map<SessionId, Subscriber> subscribers_;
};

}  // namespace mobula::gcs
