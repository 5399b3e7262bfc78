/// \file
/// \brief `PolledPeers`: the memory of other processes that threads look at while they wait.
#pragma once

#include <vector>

#include "components/base/real/pollable.h"

namespace mobula {

/// All `Pollable`s of a process, told together whether they are polled.
///
/// Threads: the state lock. Lifetime: each pollable removes itself before it dies, which may be
/// inside its own `Poll` or that of another.
class PolledPeers {
 public:
  void Add(Pollable& pollable);
  void Remove(Pollable& pollable);
  /// Looks at each once. \return whether anything had come from another process.
  [[nodiscard]] bool Poll();
  /// Says whether peers may leave their bells alone, as somebody polls. Cost: nothing if that is
  /// what they were told last.
  void SetPolled(bool is_polled);
  [[nodiscard]] bool IsPolled() const { return is_polled_; }

 private:
  std::vector<Pollable*> pollables_;  // null: removed while they are polled
  bool is_polled_ = false;
};

}  // namespace mobula
