#pragma once

#include "mobula/remote.h"

namespace mobula::testing {

/// \return the key of a function that takes x to x + 7 and lives in the shared library.
const internal::FunctionKey& LibraryKey();

}  // namespace mobula::testing
