/// \file
/// \edge
/// \brief Errors on the wire: `Error` to and from its Protobuf message.
#pragma once

#include <string>
#include <string_view>

#include "components/base/result.h"

namespace mobula::transport::rpc {

class ErrorStatus;

/// Fills `status` with `error`, for messages that carry one as a field.
void ToStatus(const Error& error, ErrorStatus* status);
/// \return the error in `status`. An unknown code reads as kInternal.
[[nodiscard]] Error FromStatus(const ErrorStatus& status);

/// \return the body of a kError frame.
[[nodiscard]] std::string EncodeError(const Error& error);
/// \return the error in the body of a kError frame; kCorrupt if it is none.
[[nodiscard]] Error DecodeError(std::string_view body);

}  // namespace mobula::transport::rpc
