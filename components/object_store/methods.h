/// \file
/// \brief The methods of object_store.proto, as constants to call them by.
#pragma once

#include "components/object_store/object_store.pb.h"
#include "components/transport/rpc/method.h"

namespace mobula::object_store {

using enum rpc::Idempotency;

// All are `kOnce`: pins, and what is being written, belong to one connection and end with it.
// The store itself bounds how long `Create` waits; a `Get` waits for as long as a pull may take.
inline constexpr rpc::Method<AttachRequest, AttachReply> kAttach{
    {0x0201, "mobula.object_store.StoreService/Attach", kOnce, std::chrono::seconds(10)}};
inline constexpr rpc::Method<CreateRequest, CreateReply> kCreate{
    {0x0202, "mobula.object_store.StoreService/Create", kOnce, std::chrono::minutes(2)}};
inline constexpr rpc::Method<SealRequest, SealReply> kSeal{
    {0x0203, "mobula.object_store.StoreService/Seal", kOnce, std::chrono::minutes(2)}};
inline constexpr rpc::Method<AbortRequest, AbortReply> kAbort{
    {0x0204, "mobula.object_store.StoreService/Abort", kOnce, std::chrono::seconds(10)}};
inline constexpr rpc::Method<GetRequest, GetReply> kGet{
    {0x0205, "mobula.object_store.StoreService/Get", kOnce, std::chrono::minutes(10)}};
inline constexpr rpc::Method<ReleaseRequest, ReleaseReply> kRelease{
    {0x0206, "mobula.object_store.StoreService/Release", kOnce, std::chrono::seconds(10)}};

// Reading changes nothing, so these may be sent again. A source that does not answer in time is
// given up for another.
inline constexpr rpc::Method<LocateRequest, LocateReply> kLocate{
    {0x0211, "mobula.object_store.TransferService/Locate", kIdempotent, std::chrono::seconds(5)}};
inline constexpr rpc::Method<ReadChunkRequest, ReadChunkReply> kReadChunk{
    {0x0212, "mobula.object_store.TransferService/ReadChunk", kIdempotent,
     std::chrono::seconds(20)}};

}  // namespace mobula::object_store
