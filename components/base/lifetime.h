/// \file
/// \brief `Lifetime`: callbacks that become silent when the object they belong to dies.
///
/// A component hands callbacks to loops, connections and calls that may outlive it. Instead of
/// unregistering each, it holds a `Lifetime` as its last member and wraps every callback that
/// captures `this`: `loop.Post(alive_.Bind([this] { Step(); }))`. After the component is gone, or
/// after `End()`, a bound callback does nothing.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

namespace mobula {

/// Threads: the state lock of the loop; a `Lifetime` and its callbacks share one loop.
class Lifetime {
 public:
  Lifetime() : alive_(std::make_shared<char>()) {}
  Lifetime(const Lifetime&) = delete;
  Lifetime& operator=(const Lifetime&) = delete;

  /// \return `callback` wrapped: it runs while this lives, and is a no-op afterwards. A callback
  ///         that returns a value returns a value-initialised one then.
  template <typename F>
  [[nodiscard]] auto Bind(F callback) const {
    return Bound<F>(alive_, std::move(callback));
  }

  /// Silences every callback bound so far and from now on.
  void End() { alive_.reset(); }
  [[nodiscard]] bool IsOver() const { return alive_ == nullptr; }

 private:
  template <typename F>
  class Bound {
   public:
    Bound(std::weak_ptr<char> alive, F callback)
        : alive_(std::move(alive)), callback_(std::move(callback)) {}
    template <typename... Args>
      requires std::is_invocable_v<F&, Args...>
    auto operator()(Args&&... args) const -> std::invoke_result_t<F&, Args...> {
      if (const auto alive = alive_.lock()) return callback_(std::forward<Args>(args)...);
      return std::invoke_result_t<F&, Args...>();
    }

   private:
    std::weak_ptr<char> alive_;
    mutable F callback_;  // a bound callback is called like a function, however it is held
  };

  std::shared_ptr<char> alive_;  // shared only as a token; callbacks hold it weakly
};

}  // namespace mobula
