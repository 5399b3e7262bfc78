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
    return [weak = std::weak_ptr<char>(alive_), callback = std::move(callback)](
               auto&&... args) mutable -> decltype(callback(std::forward<decltype(args)>(args)...)) {
      using Returned = decltype(callback(std::forward<decltype(args)>(args)...));
      if (const auto alive = weak.lock()) {
        return callback(std::forward<decltype(args)>(args)...);
      }
      return Returned();
    };
  }

  /// Silences every callback bound so far and from now on.
  void End() { alive_.reset(); }
  [[nodiscard]] bool IsOver() const { return alive_ == nullptr; }

 private:
  std::shared_ptr<char> alive_;  // shared only as a token; callbacks hold it weakly
};

}  // namespace mobula
