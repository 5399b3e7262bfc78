/// \file
/// \brief `Result<T>`: a value, or an `Error` whose code says what the caller should do.
///
/// Expected failures are values. No exception crosses an interface of Mobula; only the
/// outermost edge, `include/mobula`, turns an `Error` into a typed exception for user code.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace mobula {

/// The closed list of failures. Each entry says what the caller does about it.
/// The numbers are part of the wire protocol: add at the end, never renumber.
enum class ErrorCode : std::uint8_t {
  kInvalidArgument = 1,  ///< The request is wrong. Give up and fix the request.
  kNotFound,             ///< No such thing. Give up, or create it.
  kAlreadyExists,        ///< The thing is there. Use it, or choose another name.
  kUnavailable,          ///< The peer cannot be reached. Retry if idempotent.
  kDeadlineExceeded,     ///< No answer in time; it may still happen. Retry if idempotent.
  kCancelled,            ///< The caller, or the shutdown, asked to stop. Give up.
  kResourceExhausted,    ///< A named bound is reached. Ask for less, or retry later.
  kPermissionDenied,     ///< Token missing or wrong. Give up and fix the credentials.
  kVersionMismatch,      ///< The two sides were built differently. Rebuild one of them.
  kInfeasible,           ///< No node is big enough, even empty. Ask for less or add nodes.
  kWorkerDied,           ///< The process running the task ended. Retry if the task allows.
  kNodeDied,             ///< The whole node is gone. Retry elsewhere.
  kOwnerDied,            ///< The process that owned the object ended. Give up: not recoverable.
  kObjectLost,           ///< No copy is left and nothing can make it again. Give up.
  kTaskFailed,           ///< User code threw. Give up, or fix the task.
  kCorrupt,              ///< Bytes do not mean what they should. Close the source of them.
  kInternal,             ///< The operating system or Mobula misbehaved. Report it.
  kStoreFull,            ///< The object store has no room. Drop references, or retry later.
};

/// \return the stable lower-case name of `code`, such as "not_found"; "unknown" for a stranger.
[[nodiscard]] std::string_view ErrorCodeName(ErrorCode code);

/// Where and in what a task failed; travels with `kTaskFailed` and `kWorkerDied`.
struct RemoteFailure {
  std::string task_name;  ///< Name of the task, such as "Square".
  std::string type_name;  ///< Demangled type of what was thrown; empty if nothing was.
  std::string node_id;    ///< Hex id of the node.
  std::int64_t pid = 0;   ///< Process that ran the task; 0 if not known.
};

/// One failure: what to do (`code`), what happened (`message`), and for user code where.
class Error {
 public:
  Error() = default;
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}
  template <typename... Args>
    requires(sizeof...(Args) > 0)
  Error(ErrorCode code, fmt::format_string<Args...> format, Args&&... args)
      : Error(code, fmt::format(format, std::forward<Args>(args)...)) {}

  [[nodiscard]] ErrorCode code() const { return code_; }
  [[nodiscard]] const std::string& message() const { return message_; }
  /// \return null unless the failure happened inside a task.
  [[nodiscard]] const RemoteFailure* remote() const { return remote_.get(); }

  /// Says where a task failed. \return this error.
  Error&& WithRemote(RemoteFailure remote) &&;
  /// Prefixes the message with what was being done: "joining cluster: …". Once per layer.
  Error&& Context(std::string_view doing) &&;
  /// \return "not_found: no node 3f2a".
  [[nodiscard]] std::string ToString() const;

 private:
  ErrorCode code_ = ErrorCode::kInternal;
  std::string message_;
  std::shared_ptr<const RemoteFailure> remote_;  // shared by copies of this error, immutable
};

/// A `T`, or the reason why there is none.
template <typename T>
using Result = std::expected<T, Error>;

/// What is called once with how something ended.
template <typename T>
using Done = std::move_only_function<void(Result<T>)>;

/// Builds the failure side of a `Result`: `return Fail(ErrorCode::kNotFound, "no node {}", id);`
template <typename... Args>
[[nodiscard]] std::unexpected<Error> Fail(ErrorCode code, fmt::format_string<Args...> format,
                                          Args&&... args) {
  return std::unexpected(Error(code, fmt::format(format, std::forward<Args>(args)...)));
}

/// Passes an existing error on: `if (!r) return Fail(std::move(r.error()));`
[[nodiscard]] inline std::unexpected<Error> Fail(Error error) {
  return std::unexpected<Error>(std::move(error));
}

}  // namespace mobula
