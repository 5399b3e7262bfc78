/// \file
/// \edge
/// \brief What a thread that waits looks at instead of sleeping.
#pragma once

namespace mobula {

/// Memory that another process writes into. Threads: the state lock.
class Pollable {
 public:
  virtual ~Pollable() = default;
  /// Takes in what has come. \return whether anything had. May destroy this and others.
  virtual bool Poll() = 0;
  /// Until told otherwise somebody polls, and the peer need not wake us; or nobody does, and it
  /// must. What came before that is taken in by the next callback of the loop.
  virtual void SetPolled(bool polled) = 0;
};

}  // namespace mobula
