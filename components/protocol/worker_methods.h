/// \file
/// \brief The methods of worker.proto as typed constants. Service number 0x03.
///
/// A notification has a timeout of zero: nobody answers it.
#pragma once

#include "components/protocol/worker.pb.h"
#include "components/transport/rpc/method.h"

namespace mobula::protocol {

using enum rpc::Idempotency;
using std::chrono::seconds;

inline constexpr rpc::Method<OpenLeaseRequest, OpenLeaseReply> kOpenLease{
    {0x0301, "mobula.protocol.WorkerService/OpenLease", kIdempotent, seconds(30)}};
inline constexpr rpc::Method<PushTasksRequest, NoReply> kPushTasks{
    {0x0302, "mobula.protocol.WorkerService/PushTasks", kOnce, seconds(0)}};
inline constexpr rpc::Method<TasksDoneRequest, NoReply> kTasksDone{
    {0x0303, "mobula.protocol.WorkerService/TasksDone", kOnce, seconds(0)}};
inline constexpr rpc::Method<ReleaseHandoffRequest, NoReply> kReleaseHandoff{
    {0x0304, "mobula.protocol.WorkerService/ReleaseHandoff", kIdempotent, seconds(0)}};
inline constexpr rpc::Method<TakeBackRequest, NoReply> kTakeBack{
    {0x0305, "mobula.protocol.WorkerService/TakeBack", kIdempotent, seconds(0)}};

}  // namespace mobula::protocol
