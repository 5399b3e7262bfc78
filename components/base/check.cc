#include "components/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace mobula {

void CheckFailed(std::string_view what, const std::source_location& where) {
  std::fprintf(stderr, "mobula: broken promise: %.*s (%s:%u)\n", static_cast<int>(what.size()),
               what.data(), where.file_name(), where.line());
  std::fflush(stderr);
  std::abort();
}

}  // namespace mobula
