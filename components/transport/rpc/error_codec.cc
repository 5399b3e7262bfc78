#include "components/transport/rpc/error_codec.h"

#include "components/transport/rpc/error.pb.h"

namespace mobula::transport::rpc {

void ToStatus(const Error& error, ErrorStatus* status) {
  status->set_code(static_cast<std::uint32_t>(error.code()));
  status->set_message(error.message());
  if (const RemoteFailure* remote = error.remote()) {
    status->mutable_remote()->set_task_name(remote->task_name);
    status->mutable_remote()->set_type_name(remote->type_name);
    status->mutable_remote()->set_node_id(remote->node_id);
    status->mutable_remote()->set_pid(remote->pid);
  }
}

Error FromStatus(const ErrorStatus& status) {
  constexpr auto kLast = static_cast<std::uint32_t>(ErrorCode::kStoreFull);
  const bool known = status.code() >= 1 && status.code() <= kLast;
  Error error(known ? static_cast<ErrorCode>(status.code()) : ErrorCode::kInternal,
              status.message());
  if (!status.has_remote()) return error;
  return std::move(error).WithRemote({.task_name = status.remote().task_name(),
                                      .type_name = status.remote().type_name(),
                                      .node_id = status.remote().node_id(),
                                      .pid = status.remote().pid()});
}

std::string EncodeError(const Error& error) {
  ErrorStatus status;
  ToStatus(error, &status);
  return status.SerializeAsString();
}

Error DecodeError(std::string_view body) {
  ErrorStatus status;
  if (!status.ParseFromArray(body.data(), static_cast<int>(body.size()))) {
    return {ErrorCode::kCorrupt, "the peer's error message is not valid"};
  }
  return FromStatus(status);
}

}  // namespace mobula::transport::rpc
