/// \file
/// \brief `TaskGroup`: the coroutines of one component, and their end.
///
/// The problem: a component that is destroyed while one of its coroutines waits leaves a frame
/// behind that wakes up in a dead object. Every spawned coroutine therefore belongs to a group
/// (Seastar's gate is the model); `Stop()` refuses new ones and destroys the waiting ones.
#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include "components/base/event_loop.h"
#include "components/base/task.h"

namespace mobula {

/// Runs coroutines and owns their frames.
///
/// Threads: the state lock. Lifetime: a member of the component, after what its coroutines use;
/// destruction stops. A coroutine may stop the group it runs in only through `EventLoop::Post`.
class TaskGroup {
 public:
  TaskGroup() = default;
  ~TaskGroup() { Stop(); }
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  /// Starts `task` at once, on this stack, until it waits. `on_end` gets its result, on the stack
  /// of whoever completed it. \return false after `Stop()`; the task is dropped then.
  template <typename T>
  bool Spawn(Task<T> task, Done<T> on_end = nullptr) {
    if (stopped_) return false;
    const std::uint64_t id = ++last_id_;
    auto [it, added] = running_.emplace(id, Root{});
    it->second = Run(std::move(task), std::move(on_end), this, id);
    it->second.handle.resume();
    return true;
  }

  /// Refuses new tasks and destroys those that wait. Twice is harmless.
  void Stop() {
    stopped_ = true;
    auto running = std::exchange(running_, {});
    running.clear();
  }
  [[nodiscard]] std::size_t size() const { return running_.size(); }

 private:
  /// The outermost frame of a spawned task; it destroys itself through the group when it ends.
  struct Root {
    struct promise_type {  // NOLINT(readability-identifier-naming): the name is of the language
      Root get_return_object() {
        return Root(std::coroutine_handle<promise_type>::from_promise(*this));
      }
      std::suspend_always initial_suspend() noexcept { return {}; }
      std::suspend_never final_suspend() noexcept { return {}; }
      void return_void() {}
      void unhandled_exception() { std::terminate(); }
    };
    Root() = default;
    explicit Root(std::coroutine_handle<promise_type> h) : handle(h) {}
    Root(Root&& other) noexcept : handle(std::exchange(other.handle, nullptr)) {}
    Root& operator=(Root&& other) noexcept {
      std::swap(handle, other.handle);
      return *this;
    }
    ~Root() {
      if (handle) handle.destroy();
    }
    std::coroutine_handle<promise_type> handle;
  };

  template <typename T>
  static Root Run(Task<T> task, Done<T> on_end, TaskGroup* group, std::uint64_t id) {
    Result<T> result = co_await task;
    if (auto it = group->running_.find(id); it != group->running_.end()) {
      it->second.handle = nullptr;  // this frame frees itself when it ends
      group->running_.erase(it);
    }
    if (on_end) on_end(std::move(result));
  }

  std::map<std::uint64_t, Root> running_;
  std::uint64_t last_id_ = 0;
  bool stopped_ = false;
};

}  // namespace mobula
