/// \file
/// \brief The methods of gcs.proto as typed constants. Service number 0x01.
///
/// Idempotent means: the same request twice in a row equals once, in state and in the reply's
/// meaning. `Delete` counts what this call removed, so a repeated one may count less; `Put` is last
/// writer wins, so writers that race use `keep_existing`. Deadlines are long where a caller would
/// rather wait for a GCS that restarts than hear an error.
#pragma once

#include <chrono>

#include "components/protocol/gcs.pb.h"
#include "components/transport/rpc/method.h"

namespace mobula::protocol {

using enum rpc::Idempotency;

inline constexpr Duration kCallTimeout = std::chrono::seconds(60);
inline constexpr Duration kSessionTimeout = std::chrono::seconds(10);

inline constexpr rpc::Method<RegisterNodeRequest, RegisterNodeReply> kRegisterNode{
    {0x0101, "mobula.protocol.NodeService/Register", kIdempotent, kSessionTimeout}};
inline constexpr rpc::Method<HeartbeatRequest, HeartbeatReply> kHeartbeat{
    {0x0102, "mobula.protocol.NodeService/Heartbeat", kIdempotent, kSessionTimeout}};
inline constexpr rpc::Method<LeaveNodeRequest, LeaveNodeReply> kLeaveNode{
    {0x0103, "mobula.protocol.NodeService/Leave", kIdempotent, kSessionTimeout}};
inline constexpr rpc::Method<ListNodesRequest, ListNodesReply> kListNodes{
    {0x0104, "mobula.protocol.NodeService/List", kIdempotent, kCallTimeout}};
inline constexpr rpc::Method<ReportWorkerDeathRequest, ReportWorkerDeathReply> kReportWorkerDeath{
    {0x0105, "mobula.protocol.NodeService/ReportWorkerDeath", kIdempotent, kCallTimeout}};

/// Idempotent by `request_id`.
inline constexpr rpc::Method<StartJobRequest, StartJobReply> kStartJob{
    {0x0111, "mobula.protocol.JobService/Start", kIdempotent, kCallTimeout}};
/// The first end of a job counts.
inline constexpr rpc::Method<FinishJobRequest, FinishJobReply> kFinishJob{
    {0x0112, "mobula.protocol.JobService/Finish", kIdempotent, kCallTimeout}};
inline constexpr rpc::Method<ListJobsRequest, ListJobsReply> kListJobs{
    {0x0113, "mobula.protocol.JobService/List", kIdempotent, kCallTimeout}};

inline constexpr rpc::Method<PutValueRequest, PutValueReply> kPutValue{
    {0x0121, "mobula.protocol.KeyValueService/Put", kIdempotent, kCallTimeout}};
inline constexpr rpc::Method<GetValueRequest, GetValueReply> kGetValue{
    {0x0122, "mobula.protocol.KeyValueService/Get", kIdempotent, kCallTimeout}};
inline constexpr rpc::Method<DeleteValuesRequest, DeleteValuesReply> kDeleteValues{
    {0x0123, "mobula.protocol.KeyValueService/Delete", kIdempotent, kCallTimeout}};
inline constexpr rpc::Method<ListKeysRequest, ListKeysReply> kListKeys{
    {0x0124, "mobula.protocol.KeyValueService/Keys", kIdempotent, kCallTimeout}};

/// A second one on the same connection replaces the first.
inline constexpr rpc::Method<SubscribeRequest, SubscribeReply> kSubscribe{
    {0x0131, "mobula.protocol.PubSubService/Subscribe", kIdempotent, kSessionTimeout}};
/// GCS to subscriber, one in flight; without an answer in time the subscriber is cut off.
inline constexpr rpc::Method<Delta, DeliverReply> kDeliver{
    {0x0132, "mobula.protocol.PubSubService/Deliver", kOnce, kSessionTimeout}};

}  // namespace mobula::protocol
