/// \file
/// \edge
/// \brief `Check`: the one way our own code says "this promise of mine is broken".
///
/// Expected failures travel as `Result` (result.h). A failed `Check` is a bug in Mobula
/// itself: it prints the place and the reason and aborts, in every build type.
#pragma once

#include <source_location>
#include <string_view>

namespace mobula {

/// Prints `what`, the file and the line to standard error and aborts the process.
[[noreturn]] void CheckFailed(std::string_view what, const std::source_location& where);

/// Aborts unless `condition` holds. One condition a call, so that the line names the culprit.
/// Cost: one branch.
inline void Check(bool condition, std::string_view what,
                  const std::source_location& where = std::source_location::current()) {
  if (!condition) [[unlikely]] {
    CheckFailed(what, where);
  }
}

}  // namespace mobula
