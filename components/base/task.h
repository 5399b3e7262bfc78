/// \file
/// \brief `Task<T>`: a coroutine that ends in a `Result<T>`, for code that should read top to
/// bottom.
///
/// Control-plane sequences (join a cluster, pull an object) wait several times; as callbacks they
/// would be unreadable. `Task<T>` is lazy: nothing runs until it is awaited or spawned in a
/// `TaskGroup` (task_group.h). It resumes on the loop that completes what it waits for. It is our
/// own small type and not `asio::awaitable`, because interface headers name it and must not include
/// Asio (book/decisions). Not used per task on the hot path: that is plain calls.
///
/// GCC 12 destroys an aggregate temporary in a `co_await` statement twice: name it, then move it.
#pragma once

#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

#include "components/base/check.h"
#include "components/base/result.h"

namespace mobula {

template <typename T>
class Task;

namespace task_internal {

/// Resumes the coroutine that awaits the finished one, if any.
struct FinalAwaiter {
  bool await_ready() noexcept { return false; }
  template <typename Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) noexcept {
    return self.promise().continuation;
  }
  void await_resume() noexcept {}
};

template <typename T>
struct Promise {
  std::coroutine_handle<> continuation = std::noop_coroutine();
  std::optional<Result<T>> result;

  Task<T> get_return_object();
  std::suspend_always initial_suspend() noexcept { return {}; }
  FinalAwaiter final_suspend() noexcept { return {}; }
  void return_value(Result<T> value) { result.emplace(std::move(value)); }
  void unhandled_exception() { std::terminate(); }
};

}  // namespace task_internal

/// A coroutine in flight or not yet begun. Move-only; destroying it cancels what it waits for.
/// Threads: the state lock. Parameters by value, or references that outlive the component.
template <typename T>
class [[nodiscard]] Task {
 public:
  using promise_type = task_internal::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  explicit Task(Handle handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (handle_) handle_.destroy();
  }

  [[nodiscard]] bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> caller) noexcept {
    handle_.promise().continuation = caller;
    return handle_;
  }
  Result<T> await_resume() { return std::move(*handle_.promise().result); }

 private:
  Handle handle_;
};

template <typename T>
Task<T> task_internal::Promise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<Promise>::from_promise(*this));
}

/// Awaits a callback API. `start` is called with a callback of `Result<T>`, to be called once, on
/// the loop, now or later; if the coroutine is gone by then, nothing happens.
///
///     auto reply = co_await AwaitCallback<Reply>(
///         [&](auto done) { peer.Call(kGet, request, std::move(done)); });
template <typename T, typename Start>
class [[nodiscard]] Await {
 public:
  explicit Await(Start start) : start_(std::move(start)), state_(std::make_shared<State>()) {}
  Await(const Await&) = delete;
  ~Await() { state_->waiter = nullptr; }

  [[nodiscard]] bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> waiter) {
    start_([state = state_](Result<T> result) {
      if (state->result) return;
      state->result.emplace(std::move(result));
      if (auto resume = std::exchange(state->waiter, nullptr)) resume.resume();
    });
    if (state_->result) return false;  // answered inside the call
    state_->waiter = waiter;
    return true;
  }
  Result<T> await_resume() { return std::move(*state_->result); }

 private:
  struct State {
    std::coroutine_handle<> waiter;
    std::optional<Result<T>> result;
  };
  Start start_;
  std::shared_ptr<State> state_;  // owners: this awaiter and the callback it handed out
};

/// \return an awaiter of a callback API: `co_await AwaitCallback<Reply>([&](auto done) {...})`.
template <typename T, typename Start>
Await<T, Start> AwaitCallback(Start start) {
  return Await<T, Start>(std::move(start));
}

}  // namespace mobula
