/// \file
/// \brief The exceptions that Mobula throws into user code. Nothing inside it throws them.
///
/// Catch `TaskError` for what a task threw, a narrower class for what the cluster did to it, or
/// `Exception` for all. `code()` says what to do about it (components/base/result.h).
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include "components/base/result.h"

namespace mobula {

/// Base of all. `what()` is the whole story on one line, `message()` the reason alone.
class Exception : public std::runtime_error {
 public:
  explicit Exception(Error error);
  [[nodiscard]] ErrorCode code() const { return error_.code(); }
  [[nodiscard]] const std::string& message() const { return error_.message(); }
  [[nodiscard]] const Error& error() const { return error_; }

 private:
  Error error_;
};

/// A task threw.
class TaskError final : public Exception {
 public:
  explicit TaskError(Error error);
  /// \return the type of what was thrown, such as "std::out_of_range".
  [[nodiscard]] const std::string& type_name() const { return remote_.type_name; }
  [[nodiscard]] const std::string& task_name() const { return remote_.task_name; }
  /// \return the node it ran on, in hex; empty if not known.
  [[nodiscard]] const std::string& node_id() const { return remote_.node_id; }
  /// \return the process it ran in; 0 if not known.
  [[nodiscard]] std::int64_t pid() const { return remote_.pid; }

 private:
  RemoteFailure remote_;
};

/// The process that ran the task ended, as often as the task allows (`max_retries`).
struct WorkerDiedError final : Exception {
  using Exception::Exception;
};
/// The node that ran the task is gone.
struct NodeDiedError final : Exception {
  using Exception::Exception;
};
/// No copy of the value is left, and nothing can make it again.
struct ObjectLostError final : Exception {
  using Exception::Exception;
};
/// The process that made the reference ended, and the value went with it.
struct OwnerDiedError final : Exception {
  using Exception::Exception;
};
/// `Get` waited as long as it was told to. The task goes on.
struct GetTimeoutError final : Exception {
  using Exception::Exception;
};
/// The task was cancelled, or the system is shutting down.
struct CancelledError final : Exception {
  using Exception::Exception;
};
/// No node is big enough for what the task asks.
struct InfeasibleError final : Exception {
  using Exception::Exception;
};
/// The object store cannot take the value, now or ever; the message says which.
struct StoreFullError final : Exception {
  using Exception::Exception;
};
/// A bound other than the store's is reached: processes of a node, requests that wait, references
/// or arguments of one task, bytes of one message. The message names the bound and the numbers.
struct LimitExceededError final : Exception {
  using Exception::Exception;
};
/// The worker's program is not the caller's.
struct VersionMismatchError final : Exception {
  using Exception::Exception;
};
/// The bytes of a value are not of the type that is asked for.
struct CorruptError final : Exception {
  using Exception::Exception;
};
/// The cluster cannot be reached.
struct UnavailableError final : Exception {
  using Exception::Exception;
};
/// A named thing does not exist.
struct NotFoundError final : Exception {
  using Exception::Exception;
};
/// A name is taken.
struct AlreadyExistsError final : Exception {
  using Exception::Exception;
};
/// The token is missing or wrong.
struct PermissionDeniedError final : Exception {
  using Exception::Exception;
};
/// The call is wrong; the message says what would be right.
struct InvalidArgumentError : Exception {
  using Exception::Exception;
};
/// A call before `Init` or after `Shutdown`.
struct NotInitializedError final : InvalidArgumentError {
  NotInitializedError();
};

/// Throws the exception that stands for `error`.
[[noreturn]] void Throw(Error error);

}  // namespace mobula
