/// \file
/// \brief Which parts of an arena are free. Arithmetic on offsets; touches no memory.
///
/// Two goals: little waste, and *warm* blocks first, because the first touch of a page costs more
/// than copying it. So memory above the frontier (never handed out yet) is used only when nothing
/// below fits; below, the smallest free block that fits is used, the one freed last among equals.
/// Neighbouring free blocks merge at once. All bookkeeping is in private memory of the one writer:
/// a client that scribbles in the arena spoils bytes, never the allocator.
///
///     0 ┌────────┬──────┬────────┬─────────┐ frontier ┌──────────────┐ capacity
///       │ in use │ free │ in use │  free   │          │  untouched   │
///       └────────┴──────┴────────┴─────────┘          └──────────────┘
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>

namespace mobula::object_store {

/// Best fit with merging over `[0, capacity)`. Sizes are whole blocks (object_memory.h).
/// Threads: the state lock. Cost: logarithmic in the number of free blocks.
class ArenaAllocator {
 public:
  explicit ArenaAllocator(std::uint64_t capacity_bytes) : capacity_bytes_(capacity_bytes) {}

  /// \return the offset of a free range of that size; nullopt when no range is long enough.
  [[nodiscard]] std::optional<std::uint64_t> Allocate(std::uint64_t size_bytes);
  /// \pre the range came from `Allocate` with the same size and was not freed since.
  void Free(std::uint64_t offset, std::uint64_t size_bytes);

  /// \return where untouched memory begins.
  [[nodiscard]] std::uint64_t frontier() const { return frontier_; }
  /// Aborts unless free blocks are apart, merged and below the frontier.
  void CheckInvariants() const;

 private:
  struct FreeBlock {
    std::uint64_t size_bytes;
    std::uint64_t freed_order;
  };
  struct Fit {  ///< Sorted by size, then freed last first.
    std::uint64_t size_bytes;
    std::uint64_t age;
    std::uint64_t offset;
    friend auto operator<=>(const Fit&, const Fit&) = default;
  };
  using Blocks = std::map<std::uint64_t, FreeBlock>;

  static Fit FitOf(Blocks::const_iterator block);
  void Insert(std::uint64_t offset, std::uint64_t size_bytes, std::uint64_t freed_order);
  Blocks::iterator Erase(Blocks::iterator block);

  const std::uint64_t capacity_bytes_;
  std::uint64_t frontier_ = 0;
  std::uint64_t freed_count_ = 0;
  Blocks blocks_;       // by offset
  std::set<Fit> fits_;  // the same blocks, by fit
};

}  // namespace mobula::object_store
