/// \file
/// \brief Waiting lease asks, grouped so that what cannot run is not looked at again and again.
///
/// A hundred thousand tasks are mostly of a few shapes. Asks of one shape fit together or not at
/// all, so they form a class; the queue hands out the best ask of all *ready* classes, and a class
/// whose best ask did not fit is parked as a whole until someone wakes it.
///
/// ```
///            Park(kWaiting)                Park(kInfeasible)
///   kWaiting ◄──────────── kReady ────────────► kInfeasible
///       └───── Wake ────────► ▲ ◄───── Wake ────────┘
/// ```
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "components/scheduler/scheduler.h"

namespace mobula::scheduler {

/// How far an ask may go from here.
enum class Reach : std::uint8_t {
  kAnywhere,   ///< To the node that the policy likes best.
  kHereFirst,  ///< Came from another node: elsewhere only if it does not fit here now.
  kHere,       ///< Nowhere: it fits here, or waits, or is impossible.
  kNoFurther,  ///< Came from too many nodes: like kHere, but rejected if impossible.
};

/// Position in the queue: the deeper first, then by turns of the owners, then the earlier.
struct AskOrder {
  std::uint32_t depth = 0;
  std::uint64_t turn = 0;
  std::uint64_t sequence = 0;
  friend bool operator<(const AskOrder& a, const AskOrder& b) {
    return std::tie(b.depth, a.turn, a.sequence) < std::tie(a.depth, b.turn, b.sequence);
  }
};

/// One queued ask, less what it shares with its class.
struct QueuedAsk {
  std::uint64_t ticket = 0;
  WorkerId owner;
  std::map<NodeId, std::uint64_t> locality;
  std::string key_text;
  bool is_reported = false;  ///< As infeasible.
};

/// What asks of one class have in common.
struct AskClassKey {
  ResourceRequest request;  ///< Without locality.
  Reach reach = Reach::kAnywhere;
  IfBusy if_busy = IfBusy::kQueue;
  friend bool operator<(const AskClassKey& a, const AskClassKey& b);
};

enum class AskClassState : std::uint8_t { kReady, kWaiting, kInfeasible };

struct AskClass {
  std::map<AskOrder, QueuedAsk> asks;  ///< Never empty.
  AskClassState state = AskClassState::kReady;
  bool is_infeasible = false;     ///< As last decided; holds while it is woken for a new look.
  std::string reason;             ///< What the policy said when the class was parked.
  std::uint64_t feasible_at = 0;  ///< Shape version of the view at which some node was big enough.
};
using AskClasses = std::map<AskClassKey, AskClass>;

/// The queue. Threads: one. Cost: O(log asks) a call, `Wake` and `classes` apart.
///
/// *Turns*: time that is counted in rounds of the owners. An ask gets the first turn in which its
/// owner has no other ask and was not served, so a hundred asks of one owner stand in a hundred
/// turns, and one of another owner goes between the first two of them.
class AskQueue {
 public:
  /// \pre `ticket` is not queued. \return the state of the class it joined.
  AskClassState Add(AskClassKey key, std::uint32_t depth, QueuedAsk ask);
  /// \return false if it is not queued.
  bool Remove(std::uint64_t ticket);
  /// Removes the best ask of the class that `First` returned: its owner has had its turn.
  void Serve(const AskClasses::value_type& first);

  /// \return the ready class with the best ask of all; null if none is ready.
  [[nodiscard]] AskClasses::value_type* First();
  /// Parks the class that `First` returned.
  void Park(AskClasses::value_type& first, AskClassState state);
  /// Makes every parked class ready that `fits` accepts.
  void Wake(const std::function<bool(const AskClassKey&, const AskClass&)>& fits);

  /// \return the class of `ticket` and the ask in it; nulls if it is not queued.
  struct Found {
    const AskClassKey* key = nullptr;
    AskClass* members = nullptr;
    QueuedAsk* ask = nullptr;
  };
  [[nodiscard]] Found Find(std::uint64_t ticket) const;
  [[nodiscard]] std::size_t size() const { return tickets_.size(); }
  [[nodiscard]] const AskClasses& classes() const { return classes_; }
  void CheckInvariants() const;

 private:
  struct Where {
    AskClasses::iterator members;
    AskOrder order;
  };
  static AskOrder BestOf(const AskClass& members) { return members.asks.begin()->first; }

  AskClasses classes_;
  std::map<AskOrder, AskClasses::iterator> ready_;  // ready classes by their best ask
  std::unordered_map<std::uint64_t, Where> tickets_;
  std::uint64_t next_sequence_ = 0;
  std::uint64_t turn_ = 0;                  // the latest that was served
  std::set<WorkerId> served_;               // in that turn
  std::map<WorkerId, std::size_t> queued_;  // asks by owner; none: no entry
};

}  // namespace mobula::scheduler
