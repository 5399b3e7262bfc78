/// \file
/// \brief Waiting lease requests, grouped so that what cannot run is not looked at again and again.
///
/// A hundred thousand tasks are mostly of a few shapes. Requests of one shape fit together or not
/// at all, so they form a class. The queue hands out the best request of all *ready* classes; a
/// class whose best request did not fit is parked as a whole until a change might let it fit.
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

/// How far a request may go from here.
enum class Reach : std::uint8_t {
  kAnywhere,   ///< To the node that the policy likes best.
  kHereFirst,  ///< Came from another node: elsewhere only if it does not fit here now.
  kHere,       ///< Nowhere: it fits here, or waits, or is impossible.
  kNoFurther,  ///< Came from too many nodes: like kHere, but rejected if impossible.
};

/// Position in the queue: the deeper first, then by turns of the owners, then the earlier.
struct RequestOrder {
  std::uint32_t depth = 0;
  std::uint64_t turn = 0;
  std::uint64_t sequence = 0;
  friend bool operator<(const RequestOrder& a, const RequestOrder& b) {
    return std::tie(b.depth, a.turn, a.sequence) < std::tie(a.depth, b.turn, b.sequence);
  }
};

/// One queued request, less what it shares with its class.
struct QueuedRequest {
  std::uint64_t ticket = 0;
  WorkerId owner;
  std::map<NodeId, std::uint64_t> locality;
  bool is_reported = false;  ///< As infeasible.
};

/// What requests of one class have in common.
struct RequestClassKey {
  ResourceRequest wants;  ///< Without locality.
  Reach reach = Reach::kAnywhere;
  friend bool operator<(const RequestClassKey& a, const RequestClassKey& b);
};

enum class RequestClassState : std::uint8_t { kReady, kWaiting, kInfeasible };

struct RequestClass {
  std::map<RequestOrder, QueuedRequest> requests;  ///< Never empty.
  RequestClassState state = RequestClassState::kReady;
  bool is_infeasible = false;     ///< As last decided; holds while it is woken for a new look.
  std::string reason;             ///< What the policy said when the class was parked.
  std::uint64_t feasible_at = 0;  ///< Shape version of the view at which some node was big enough.
};
using RequestClasses = std::map<RequestClassKey, RequestClass>;

/// The queue. Threads: one. Cost: O(log requests) a call, `Wake` and `classes` apart.
///
/// *Turns*: time that is counted in rounds of the owners. A request gets the first turn in which
/// its owner has no other request and was not served. So a hundred requests of one owner stand in
/// a hundred turns, and one of another owner goes between the first two of them.
class RequestQueue {
 public:
  /// \pre `ticket` is not queued. \return the state of the class it joined.
  RequestClassState Add(RequestClassKey key, std::uint32_t depth, QueuedRequest request);
  /// \return false if it is not queued.
  bool Remove(std::uint64_t ticket);
  /// Removes the best request of the class that `First` returned: its owner has had its turn.
  void Serve(const RequestClasses::value_type& first);

  /// \return the ready class with the best request of all; null if none is ready.
  [[nodiscard]] RequestClasses::value_type* First();
  /// Parks the class that `First` returned.
  void Park(RequestClasses::value_type& first, RequestClassState state);
  /// Makes every parked class ready that `fits` accepts.
  void Wake(const std::function<bool(const RequestClassKey&, const RequestClass&)>& fits);

  /// A request and its class.
  struct Found {
    RequestClass* members = nullptr;
    QueuedRequest* request = nullptr;
  };
  /// \return the class of `ticket` and the request in it; nulls if it is not queued.
  [[nodiscard]] Found Find(std::uint64_t ticket) const;
  [[nodiscard]] std::size_t size() const { return tickets_.size(); }
  [[nodiscard]] const RequestClasses& classes() const { return classes_; }
  void CheckInvariants() const;

 private:
  struct Where {
    RequestClasses::iterator members;
    RequestOrder order;
  };
  static RequestOrder BestOf(const RequestClass& members) {
    return members.requests.begin()->first;
  }

  RequestClasses classes_;
  std::map<RequestOrder, RequestClasses::iterator> ready_;  // ready classes by their best request
  std::unordered_map<std::uint64_t, Where> tickets_;
  std::uint64_t next_sequence_ = 0;
  std::uint64_t turn_ = 0;                  // the latest that was served
  std::set<WorkerId> served_;               // in that turn
  std::map<WorkerId, std::size_t> queued_;  // requests by owner; none: no entry
};

}  // namespace mobula::scheduler
