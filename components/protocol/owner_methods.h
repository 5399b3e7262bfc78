/// \file
/// \edge
/// \brief The methods of owner.proto as typed constants. Service number 0x04.
///
/// A notification has a timeout of zero: nobody answers it.
#pragma once

#include "components/protocol/owner.pb.h"
#include "components/transport/rpc/method.h"

namespace mobula::protocol {

using enum rpc::Idempotency;
using std::chrono::seconds;

inline constexpr rpc::Method<WatchRequest, NoReply> kWatch{
    {0x0401, "mobula.protocol.OwnerService/Watch", kIdempotent, seconds(0)}};
inline constexpr rpc::Method<StatusRequest, NoReply> kStatus{
    {0x0402, "mobula.protocol.OwnerService/Status", kIdempotent, seconds(0)}};
inline constexpr rpc::Method<AddBorrowsRequest, Ack> kAddBorrows{
    {0x0403, "mobula.protocol.OwnerService/AddBorrows", kIdempotent, seconds(60)}};
inline constexpr rpc::Method<RemoveBorrowsRequest, Ack> kRemoveBorrows{
    {0x0404, "mobula.protocol.OwnerService/RemoveBorrows", kIdempotent, seconds(60)}};
inline constexpr rpc::Method<ReportCopiesRequest, Ack> kReportCopies{
    {0x0405, "mobula.protocol.OwnerService/ReportCopies", kIdempotent, seconds(10)}};

}  // namespace mobula::protocol
