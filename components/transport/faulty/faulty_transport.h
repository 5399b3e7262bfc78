/// \file
/// \edge
/// \brief A transport that breaks on purpose: refused connects, cut connections, late frames.
///
/// It stays within what transport.h allows a network to do: frames may be late, connections may end
/// at any moment; order is kept and nothing is lost from the middle. `{kind: faulty, inner: {…}}`.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "components/base/random.h"
#include "components/transport/transport.h"

namespace mobula::transport {

/// When and how one connection is hurt. Conditions that are not set match every frame.
struct FaultRule {
  enum class Direction : std::uint8_t { kSend, kReceive };
  enum class Effect : std::uint8_t {
    kCut,    ///< The frame is lost, and the connection with it; both sides notice.
    kDelay,  ///< The frame comes `delay` later, and with it all behind it.
  };
  Direction direction = Direction::kSend;
  Effect effect = Effect::kCut;
  std::optional<FrameKind> kind{};  ///< Replies and errors carry no method: use this.
  std::optional<std::uint32_t> method{};
  std::uint64_t at_frame = 0;  ///< Only the n-th match of each connection, from 1; 0: all.
  double probability = 1.0;
  std::uint64_t times_max = UINT64_MAX;  ///< Over all connections; then the rule is spent.
  Duration delay{};
};

/// All faults of one transport. Rules are tried in order; the first that strikes counts.
struct FaultPlan {
  double refuse_connects = 0;  ///< Share of connects that fail with kUnavailable.
  std::vector<FaultRule> rules;
};

/// \param plan may be changed while in use; owners: the transport, its connections, the test.
[[nodiscard]] std::unique_ptr<Transport> MakeFaultyTransport(std::unique_ptr<Transport> inner,
                                                             EventLoop& loop, Random random,
                                                             std::shared_ptr<FaultPlan> plan);

/// Reads `refuse_connects`, `rules` and `inner`; a map without `inner` wraps the usual kind of its
/// section.
[[nodiscard]] Result<std::unique_ptr<Transport>> MakeFaulty(ConfigReader& config,
                                                            const Transport::Context& context);
inline constexpr Kind<Transport> kFaulty{"faulty", MakeFaulty};

}  // namespace mobula::transport
