#include "components/base/real/polled_peers.h"

#include <algorithm>
#include <utility>

namespace mobula {

void PolledPeers::Add(Pollable& pollable) {
  pollables_.push_back(&pollable);
  pollable.SetPolled(is_polled_);
}

void PolledPeers::Remove(Pollable& pollable) {
  // Not erased: a poll may be going on over this vector.
  std::ranges::replace(pollables_, &pollable, nullptr);
}

bool PolledPeers::Poll() {
  bool is_news = false;
  // A frame may open and close connections. NOLINTNEXTLINE(modernize-loop-convert)
  for (std::size_t i = 0; i < pollables_.size(); ++i) {
    if (pollables_[i] != nullptr) is_news = pollables_[i]->Poll() || is_news;
  }
  std::erase(pollables_, nullptr);
  return is_news;
}

void PolledPeers::SetPolled(bool is_polled) {
  if (std::exchange(is_polled_, is_polled) == is_polled) return;
  for (Pollable* pollable : pollables_) {
    if (pollable != nullptr) pollable->SetPolled(is_polled);
  }
}

}  // namespace mobula
