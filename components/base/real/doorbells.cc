#include "components/base/real/doorbells.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "components/base/check.h"

namespace mobula {
namespace {

bool Watch(int epoll, int descriptor, std::uint32_t events, void* whose) {
  epoll_event event{.events = events, .data = {.ptr = whose}};
  return ::epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) == 0;
}

}  // namespace

Doorbells::Doorbells()
    : bells_(::epoll_create1(EPOLL_CLOEXEC)),
      for_loop_(::epoll_create1(EPOLL_CLOEXEC)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  Check(Watch(bells_, wake_, EPOLLIN | EPOLLET, nullptr) && Watch(for_loop_, bells_, 0, nullptr),
        "a process has descriptors for its event loop (ulimit -n)");
  GiveToLoop(true);
}

Doorbells::~Doorbells() {
  for (const int descriptor : {wake_, for_loop_, bells_}) ::close(descriptor);
}

bool Doorbells::Add(int bell, Pollable& whose) const {
  return Watch(bells_, bell, EPOLLIN | EPOLLET, &whose);
}

void Doorbells::Remove(int bell, Pollable& whose) {
  ::epoll_ctl(bells_, EPOLL_CTL_DEL, bell, nullptr);
  std::ranges::replace(rung_, &whose, nullptr);
}

void Doorbells::GiveToLoop(bool to_loop) {
  // The loop watches the bells through a second epoll. Taking them away means not to watch that
  // one: a system call for all bells. Rings not answered yet are seen by the new owner.
  if (std::exchange(is_loops_, to_loop) == to_loop) return;
  epoll_event event{.events = to_loop ? EPOLLIN : 0U, .data = {}};
  ::epoll_ctl(for_loop_, EPOLL_CTL_MOD, bells_, &event);
}

void Doorbells::Answer(bool is_polled) {
  std::array<epoll_event, kRungMax> rings;
  const int count = ::epoll_wait(bells_, rings.data(), kRungMax, 0);
  for (int i = 0; i < count; ++i) rung_.push_back(static_cast<Pollable*>(rings.at(i).data.ptr));
  // They may come and go meanwhile. NOLINTNEXTLINE(modernize-loop-convert)
  for (std::size_t i = 0; i < rung_.size(); ++i) {
    // Nothing there: a thread that polled was faster. But the ring took down the flag that asks for
    // the next one, so the pollable has to raise it again.
    const bool is_news = rung_[i] == nullptr || rung_[i]->Poll();
    if (!is_news && rung_[i] != nullptr) rung_[i]->SetPolled(is_polled);
  }
  rung_.clear();
}

void Doorbells::Sleep() const {
  std::array<epoll_event, kRungMax> ignored;  // the sleeper looks at all
  ::epoll_wait(bells_, ignored.data(), kRungMax, -1);
}

void Doorbells::Wake() const { ::eventfd_write(wake_, 1); }

}  // namespace mobula
