/// \file
/// \edge
/// \brief The methods of object_store.proto, as constants to call them by.
#pragma once

#include "components/protocol/object_store.pb.h"
#include "components/transport/rpc/method.h"

namespace mobula::protocol {

using enum rpc::Idempotency;

// All are `kOnce`: pins, and what is being written, belong to one connection and end with it.
// The store itself bounds how long `Create` waits; a `Get` waits for as long as a pull may take.
inline constexpr rpc::Method<AttachStoreRequest, AttachStoreReply> kAttachStore{
    {0x0201, "mobula.protocol.StoreService/Attach", kOnce, std::chrono::seconds(10)}};
inline constexpr rpc::Method<CreateObjectRequest, CreateObjectReply> kCreateObject{
    {0x0202, "mobula.protocol.StoreService/Create", kOnce, std::chrono::minutes(2)}};
inline constexpr rpc::Method<SealObjectRequest, SealObjectReply> kSealObject{
    {0x0203, "mobula.protocol.StoreService/Seal", kOnce, std::chrono::minutes(2)}};
inline constexpr rpc::Method<AbortObjectRequest, AbortObjectReply> kAbortObject{
    {0x0204, "mobula.protocol.StoreService/Abort", kOnce, std::chrono::seconds(10)}};
inline constexpr rpc::Method<GetObjectRequest, GetObjectReply> kGetObject{
    {0x0205, "mobula.protocol.StoreService/Get", kOnce, std::chrono::minutes(10)}};
inline constexpr rpc::Method<ReleaseObjectsRequest, ReleaseObjectsReply> kReleaseObjects{
    {0x0206, "mobula.protocol.StoreService/Release", kOnce, std::chrono::seconds(10)}};

// Reading changes nothing, so these may be sent again. A source that does not answer in time is
// given up for another.
inline constexpr rpc::Method<LocateObjectRequest, LocateObjectReply> kLocateObject{
    {0x0211, "mobula.protocol.TransferService/Locate", kIdempotent, std::chrono::seconds(5)}};
inline constexpr rpc::Method<ReadChunkRequest, ReadChunkReply> kReadChunk{
    {0x0212, "mobula.protocol.TransferService/ReadChunk", kIdempotent, std::chrono::seconds(20)}};

}  // namespace mobula::protocol
