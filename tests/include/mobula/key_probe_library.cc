// A shared library with a remote function, for key_probe.cc.
#include "tests/include/mobula/key_probe_library.h"

namespace mobula::testing {
namespace {

int InLibrary(int x) { return x + 7; }

}  // namespace

const internal::FunctionKey& LibraryKey() { return internal::Recorded<InLibrary>::entry.key(); }

}  // namespace mobula::testing
