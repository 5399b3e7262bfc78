/// \file
/// \brief The methods of worker.proto as typed constants. Notifications have a timeout of zero.
#pragma once

#include "components/core_worker/worker.pb.h"
#include "components/transport/rpc/method.h"

namespace mobula::core_worker {

using enum rpc::Idempotency;
using std::chrono::seconds;

// WorkerService
inline constexpr rpc::Method<OpenLeaseRequest, OpenLeaseReply> kOpenLease{
    {0x0301, "mobula.core_worker.WorkerService/OpenLease", kIdempotent, seconds(30)}};
inline constexpr rpc::Method<PushTasksRequest, NoReply> kPushTasks{
    {0x0302, "mobula.core_worker.WorkerService/PushTasks", kOnce, seconds(0)}};
inline constexpr rpc::Method<TasksDoneRequest, NoReply> kTasksDone{
    {0x0303, "mobula.core_worker.WorkerService/TasksDone", kOnce, seconds(0)}};
inline constexpr rpc::Method<ReleaseHandoffRequest, NoReply> kReleaseHandoff{
    {0x0304, "mobula.core_worker.WorkerService/ReleaseHandoff", kIdempotent, seconds(0)}};
inline constexpr rpc::Method<TakeBackRequest, NoReply> kTakeBack{
    {0x0305, "mobula.core_worker.WorkerService/TakeBack", kIdempotent, seconds(0)}};

// OwnerService
inline constexpr rpc::Method<WatchRequest, NoReply> kWatch{
    {0x0401, "mobula.core_worker.OwnerService/Watch", kIdempotent, seconds(0)}};
inline constexpr rpc::Method<StatusRequest, NoReply> kStatus{
    {0x0402, "mobula.core_worker.OwnerService/Status", kIdempotent, seconds(0)}};
inline constexpr rpc::Method<AddBorrowsRequest, NoReply> kAddBorrows{
    {0x0403, "mobula.core_worker.OwnerService/AddBorrows", kIdempotent, seconds(0)}};
inline constexpr rpc::Method<RemoveBorrowsRequest, NoReply> kRemoveBorrows{
    {0x0404, "mobula.core_worker.OwnerService/RemoveBorrows", kIdempotent, seconds(0)}};
inline constexpr rpc::Method<ReportCopiesRequest, NoReply> kReportCopies{
    {0x0405, "mobula.core_worker.OwnerService/ReportCopies", kIdempotent, seconds(0)}};

// RayletService
inline constexpr rpc::Method<RegisterWorkerRequest, RegisterWorkerReply> kRegisterWorker{
    {0x0501, "mobula.core_worker.RayletService/RegisterWorker", kIdempotent, seconds(30)}};
inline constexpr rpc::Method<SetBlockedRequest, NoReply> kSetBlocked{
    {0x0502, "mobula.core_worker.RayletService/SetBlocked", kIdempotent, seconds(0)}};
inline constexpr rpc::Method<AdoptObjectsRequest, NoReply> kAdoptObjects{
    {0x0503, "mobula.core_worker.RayletService/AdoptObjects", kIdempotent, seconds(0)}};
inline constexpr rpc::Method<FreeObjectsRequest, NoReply> kFreeObjects{
    {0x0504, "mobula.core_worker.RayletService/FreeObjects", kIdempotent, seconds(0)}};
inline constexpr rpc::Method<RequestLeaseRequest, RequestLeaseReply> kRequestLease{
    {0x0505, "mobula.core_worker.RayletService/RequestLease", kOnce, seconds(-1)}};
inline constexpr rpc::Method<CancelLeaseRequest, NoReply> kCancelLease{
    {0x0506, "mobula.core_worker.RayletService/CancelLease", kIdempotent, seconds(0)}};
inline constexpr rpc::Method<ReturnLeaseRequest, ReturnLeaseReply> kReturnLease{
    {0x0507, "mobula.core_worker.RayletService/ReturnLease", kIdempotent, seconds(10)}};
inline constexpr rpc::Method<ReclaimLeasesRequest, NoReply> kReclaimLeases{
    {0x0508, "mobula.core_worker.RayletService/ReclaimLeases", kIdempotent, seconds(0)}};
inline constexpr rpc::Method<NodeDiedRequest, NoReply> kNodeDied{
    {0x0509, "mobula.core_worker.RayletService/NodeDied", kIdempotent, seconds(0)}};
inline constexpr rpc::Method<ExitWorkerRequest, ExitWorkerReply> kExitWorker{
    {0x050a, "mobula.core_worker.RayletService/ExitWorker", kIdempotent, seconds(5)}};
inline constexpr rpc::Method<KeepLeasesRequest, NoReply> kKeepLeases{
    {0x050b, "mobula.core_worker.RayletService/KeepLeases", kIdempotent, seconds(0)}};
inline constexpr rpc::Method<DescribeDeathRequest, DescribeDeathReply> kDescribeDeath{
    {0x050d, "mobula.core_worker.RayletService/DescribeDeath", kIdempotent, seconds(2)}};
inline constexpr rpc::Method<FinishJobRequest, FinishJobReply> kFinishJob{
    {0x050c, "mobula.core_worker.RayletService/FinishJob", kIdempotent, seconds(1)}};

}  // namespace mobula::core_worker
