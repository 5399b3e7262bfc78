/// \file
/// \brief A check cites the line of the header that it enforces, and the line must be there.
#pragma once

#include <string>

namespace mobula::object_store::conformance {

/// \return whether the header in components/object_store/ says `promise` word for word, in a
///         comment that may go over several lines.
[[nodiscard]] bool HeaderSays(const std::string& header, const std::string& promise);

}  // namespace mobula::object_store::conformance
