// \edge: turns values into bytes and back, kind by kind
#include "mobula/errors.h"

#include <fmt/core.h>

#include "mobula/internal/type_name.h"

namespace mobula {
namespace {

std::string Describe(const Error& error) {
  const RemoteFailure* const remote = error.remote();
  if (remote == nullptr) return error.ToString();
  std::string text = fmt::format("task {}", internal::Readable(remote->task_name));
  text += error.code() == ErrorCode::kTaskFailed
              ? " failed"
              : fmt::format(" did not finish ({})", ErrorCodeName(error.code()));
  if (!remote->node_id.empty()) text += fmt::format(" on node {}", remote->node_id.substr(0, 8));
  if (remote->pid != 0) text += fmt::format(" in process {}", remote->pid);
  if (!remote->type_name.empty()) text += fmt::format(": {}", remote->type_name);
  return text + ": " + error.message();
}

}  // namespace

Exception::Exception(Error error) : std::runtime_error(Describe(error)), error_(std::move(error)) {}

TaskError::TaskError(Error error)
    : Exception(std::move(error)),
      remote_(this->error().remote() == nullptr ? RemoteFailure() : *this->error().remote()) {
  remote_.task_name = internal::Readable(remote_.task_name);
}

NotInitializedError::NotInitializedError()
    : InvalidArgumentError(
          Error(ErrorCode::kInvalidArgument, "Mobula is not running: call mobula::Init first")) {}

void Throw(Error error) {
  switch (error.code()) {
    case ErrorCode::kInvalidArgument: throw InvalidArgumentError(std::move(error));
    case ErrorCode::kNotFound: throw NotFoundError(std::move(error));
    case ErrorCode::kAlreadyExists: throw AlreadyExistsError(std::move(error));
    case ErrorCode::kUnavailable: throw UnavailableError(std::move(error));
    case ErrorCode::kDeadlineExceeded: throw GetTimeoutError(std::move(error));
    case ErrorCode::kCancelled: throw CancelledError(std::move(error));
    case ErrorCode::kResourceExhausted: throw LimitExceededError(std::move(error));
    case ErrorCode::kPermissionDenied: throw PermissionDeniedError(std::move(error));
    case ErrorCode::kVersionMismatch: throw VersionMismatchError(std::move(error));
    case ErrorCode::kInfeasible: throw InfeasibleError(std::move(error));
    case ErrorCode::kWorkerDied: throw WorkerDiedError(std::move(error));
    case ErrorCode::kNodeDied: throw NodeDiedError(std::move(error));
    case ErrorCode::kOwnerDied: throw OwnerDiedError(std::move(error));
    case ErrorCode::kObjectLost: throw ObjectLostError(std::move(error));
    case ErrorCode::kTaskFailed: throw TaskError(std::move(error));
    case ErrorCode::kCorrupt: throw CorruptError(std::move(error));
    case ErrorCode::kStoreFull: throw StoreFullError(std::move(error));
    case ErrorCode::kInternal: break;
  }
  throw Exception(std::move(error));
}

}  // namespace mobula
