// \edge: the operating system behind a seam
#include <sys/random.h>

#include "components/base/check.h"
#include "components/base/random.h"

namespace mobula {

std::uint64_t Random::EntropySeed() {
  std::uint64_t seed = 0;
  Check(::getrandom(&seed, sizeof seed, 0) == sizeof seed, "the system gave no entropy");
  return seed;
}

}  // namespace mobula
