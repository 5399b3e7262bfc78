/// \file
/// \brief Chance as a parameter: a seeded generator, and independent streams of it by name.
///
/// Every subsystem draws from its own stream, forked by name, so that one more draw in one
/// place does not shift all others (FoundationDB, TigerBeetle). The algorithm is xoshiro256**
/// by Blackman and Vigna; distributions are our own, because the standard ones differ between
/// libraries and a seed must mean the same run everywhere.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "components/base/ids.h"

namespace mobula {

/// One stream of random numbers. Threads: calls must not overlap. Cost: a nanosecond a draw.
class Random {
 public:
  /// The same seed gives the same stream on every machine.
  explicit Random(std::uint64_t seed);

  /// \return a seed from the operating system, for real runs.
  [[nodiscard]] static std::uint64_t EntropySeed();

  /// \return a stream that depends on this one's seed and on `name` only, not on past draws.
  [[nodiscard]] Random Fork(std::string_view name) const;

  [[nodiscard]] std::uint64_t seed() const { return seed_; }
  [[nodiscard]] std::uint64_t Next();
  /// \return a number in [0, bound), without bias. \pre bound > 0.
  [[nodiscard]] std::uint64_t Below(std::uint64_t bound);
  /// \return a number in [0, 1).
  [[nodiscard]] double Unit();
  /// \return true with this probability.
  [[nodiscard]] bool Chance(double probability) { return Unit() < probability; }

  /// \return a random id of the given type: `random.NewId<NodeId>()`.
  template <typename IdType>
  [[nodiscard]] IdType NewId() {
    std::array<char, IdType::kSize> bytes;
    for (auto& byte : bytes) byte = static_cast<char>(Next());
    return IdType::FromBinaryOrNil({bytes.data(), bytes.size()});
  }

 private:
  std::uint64_t seed_;
  std::array<std::uint64_t, 4> state_{};
};

}  // namespace mobula
