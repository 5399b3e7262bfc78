// \edge: a helper whose header says all that a caller needs
#include "components/base/result.h"

namespace mobula {

std::string_view ErrorCodeName(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument: return "invalid_argument";
    case ErrorCode::kNotFound: return "not_found";
    case ErrorCode::kAlreadyExists: return "already_exists";
    case ErrorCode::kUnavailable: return "unavailable";
    case ErrorCode::kDeadlineExceeded: return "deadline_exceeded";
    case ErrorCode::kCancelled: return "cancelled";
    case ErrorCode::kResourceExhausted: return "resource_exhausted";
    case ErrorCode::kPermissionDenied: return "permission_denied";
    case ErrorCode::kVersionMismatch: return "version_mismatch";
    case ErrorCode::kInfeasible: return "infeasible";
    case ErrorCode::kWorkerDied: return "worker_died";
    case ErrorCode::kNodeDied: return "node_died";
    case ErrorCode::kOwnerDied: return "owner_died";
    case ErrorCode::kObjectLost: return "object_lost";
    case ErrorCode::kTaskFailed: return "task_failed";
    case ErrorCode::kCorrupt: return "corrupt";
    case ErrorCode::kInternal: return "internal";
    case ErrorCode::kStoreFull: return "store_full";
  }
  return "unknown";
}

Error&& Error::WithRemote(RemoteFailure remote) && {
  remote_ = std::make_shared<const RemoteFailure>(std::move(remote));
  return std::move(*this);
}

Error&& Error::Context(std::string_view doing) && {
  message_ = fmt::format("{}: {}", doing, message_);
  return std::move(*this);
}

std::string Error::ToString() const {
  return fmt::format("{}: {}", ErrorCodeName(code_), message_);
}

}  // namespace mobula
