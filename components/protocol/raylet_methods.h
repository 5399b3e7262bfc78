/// \file
/// \edge
/// \brief The methods of raylet.proto as typed constants. Service number 0x05.
///
/// A notification has a timeout of zero: nobody answers it.
#pragma once

#include "components/protocol/raylet.pb.h"
#include "components/transport/rpc/method.h"

namespace mobula::protocol {

using enum rpc::Idempotency;
using std::chrono::seconds;

inline constexpr rpc::Method<RegisterWorkerRequest, RegisterWorkerReply> kRegisterWorker{
    {0x0501, "mobula.protocol.RayletService/RegisterWorker", kIdempotent, seconds(30)}};
inline constexpr rpc::Method<SetBlockedRequest, NoReply> kSetBlocked{
    {0x0502, "mobula.protocol.RayletService/SetBlocked", kIdempotent, seconds(0)}};
inline constexpr rpc::Method<AdoptObjectsRequest, NoReply> kAdoptObjects{
    {0x0503, "mobula.protocol.RayletService/AdoptObjects", kIdempotent, seconds(0)}};
inline constexpr rpc::Method<FreeObjectsRequest, Ack> kFreeObjects{
    {0x0504, "mobula.protocol.RayletService/FreeObjects", kIdempotent, seconds(10)}};
inline constexpr rpc::Method<RequestLeaseRequest, RequestLeaseReply> kRequestLease{
    {0x0505, "mobula.protocol.RayletService/RequestLease", kOnce, seconds(-1)}};
inline constexpr rpc::Method<CancelLeaseRequest, NoReply> kCancelLease{
    {0x0506, "mobula.protocol.RayletService/CancelLease", kIdempotent, seconds(0)}};
inline constexpr rpc::Method<ReturnLeaseRequest, Ack> kReturnLease{
    {0x0507, "mobula.protocol.RayletService/ReturnLease", kIdempotent, seconds(10)}};
inline constexpr rpc::Method<ReclaimLeasesRequest, NoReply> kReclaimLeases{
    {0x0508, "mobula.protocol.RayletService/ReclaimLeases", kIdempotent, seconds(0)}};
inline constexpr rpc::Method<NodeDiedRequest, NoReply> kNodeDied{
    {0x0509, "mobula.protocol.RayletService/NodeDied", kIdempotent, seconds(0)}};
inline constexpr rpc::Method<ExitWorkerRequest, ExitWorkerReply> kExitWorker{
    {0x050a, "mobula.protocol.RayletService/ExitWorker", kIdempotent, seconds(5)}};
inline constexpr rpc::Method<KeepLeasesRequest, NoReply> kKeepLeases{
    {0x050b, "mobula.protocol.RayletService/KeepLeases", kIdempotent, seconds(0)}};
inline constexpr rpc::Method<DescribeDeathRequest, DescribeDeathReply> kDescribeDeath{
    {0x050d, "mobula.protocol.RayletService/DescribeDeath", kIdempotent, seconds(2)}};
inline constexpr rpc::Method<EndLostWorkerRequest, EndLostWorkerReply> kEndLostWorker{
    {0x050e, "mobula.protocol.RayletService/EndLostWorker", kIdempotent, seconds(10)}};
inline constexpr rpc::Method<EndJobRequest, Ack> kEndJob{
    {0x050c, "mobula.protocol.RayletService/EndJob", kIdempotent, seconds(1)}};

}  // namespace mobula::protocol
