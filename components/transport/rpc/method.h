/// \file
/// \brief Typed names of remote methods. One constant a method, beside its `.proto`.
#pragma once

#include <cstdint>
#include <string_view>

#include "components/base/event_loop.h"

namespace mobula::transport::rpc {

/// May a call be sent again when nobody knows whether it ran?
enum class Idempotency : std::uint8_t { kIdempotent, kOnce };

/// What rpc needs to know about a method, without its message types.
struct MethodInfo {
  std::uint32_t id;       ///< Unique over all services; 0xSSMM: service, method.
  std::string_view name;  ///< "mobula.gcs.NodeService/Register": full name in the descriptor.
  Idempotency idempotency;
  Duration timeout;  ///< Default deadline of a call.
};

/// A method with its message types; Protobuf messages, named by the interface and never included
/// here. A test checks every constant against the service descriptors.
template <typename RequestType, typename ReplyType>
struct Method : MethodInfo {
  using Request = RequestType;
  using Reply = ReplyType;
};

}  // namespace mobula::transport::rpc

namespace mobula {
namespace rpc = transport::rpc;  // what all others call it
}  // namespace mobula
