/// \file
/// \edge
/// \brief The doorbells of a process, and the thread that answers them.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "components/base/real/pollable.h"

namespace mobula {

/// Descriptors that peers ring (eventfd) when they have written into memory shared with us.
///
/// Two can answer: the event loop, or one thread of the user that sleeps until an answer comes.
/// With the second, waking a process is one change of threads instead of two. To hand over costs
/// one system call, and what rang before then rings for the new one. Bells are never read: each
/// ring is an edge. (Leader and followers: Schmidt and others, 2000.)
/// Threads: `Sleep` and `Wake` any; all else one at a time. Lifetime: after all that were added.
class Doorbells {
 public:
  Doorbells();
  ~Doorbells();
  Doorbells(const Doorbells&) = delete;
  Doorbells& operator=(const Doorbells&) = delete;

  /// \param bell stays the caller's. \return false: there are no descriptors left.
  [[nodiscard]] bool Add(int bell, Pollable& whose) const;
  /// Forgets it, before it is closed: peers have it open, too.
  void Remove(int bell, Pollable& whose);

  /// Says which thread is woken from now on: the loop's or, if not, one in `Sleep`.
  void GiveToLoop(bool to_loop);
  /// \return what is readable when the loop should answer. Stays ours.
  [[nodiscard]] int loop_descriptor() const { return for_loop_; }
  /// Has those polled that were rung for. One that finds nothing is told to rest again.
  void Answer(bool is_polled);
  /// Blocks until a bell rings or `Wake`.
  void Sleep() const;
  void Wake() const;

 private:
  static constexpr int kRungMax = 64;  ///< Answered at a time.

  int bells_;     // an epoll of the bells
  int for_loop_;  // an epoll of that
  int wake_;      // a bell of our own
  bool is_loops_ = false;
  std::vector<Pollable*> rung_;  // null: removed meanwhile
};

}  // namespace mobula
