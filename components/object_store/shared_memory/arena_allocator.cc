// \edge: a helper whose header says all that a caller needs
#include "components/object_store/shared_memory/arena_allocator.h"

#include "components/base/check.h"

namespace mobula::object_store {

std::optional<std::uint64_t> ArenaAllocator::Allocate(std::uint64_t size_bytes) {
  // Warm memory first: the smallest free block that is large enough. What is left of it stays free,
  // as old as it was.
  if (const auto fit = fits_.lower_bound(Fit{size_bytes, 0, 0}); fit != fits_.end()) {
    const auto block = blocks_.find(fit->offset);
    const std::uint64_t offset = block->first;
    const FreeBlock taken = block->second;
    Erase(block);
    if (taken.size_bytes > size_bytes) {
      Insert(offset + size_bytes, taken.size_bytes - size_bytes, taken.freed_order);
    }
    return offset;
  }
  // Nothing below the frontier fits: the frontier moves.
  std::uint64_t offset = frontier_;
  if (!blocks_.empty()) {  // a free block that ends at the frontier grows into the untouched part
    const auto last = std::prev(blocks_.end());
    if (last->first + last->second.size_bytes == frontier_) offset = last->first;
  }
  if (capacity_bytes_ - offset < size_bytes) return std::nullopt;
  if (offset < frontier_) Erase(blocks_.find(offset));
  frontier_ = offset + size_bytes;
  return offset;
}

void ArenaAllocator::Free(std::uint64_t offset, std::uint64_t size_bytes) {
  Check(offset + size_bytes <= frontier_, "a freed block was handed out before");
  auto next = blocks_.lower_bound(offset);
  Check(next == blocks_.end() || offset + size_bytes <= next->first, "a block is freed once");
  // Free neighbours become one block at once, so that free blocks never touch and a large object
  // finds the room that many small ones have left.
  if (next != blocks_.end() && next->first == offset + size_bytes) {
    size_bytes += next->second.size_bytes;
    next = Erase(next);
  }
  if (next != blocks_.begin()) {
    const auto before = std::prev(next);
    const std::uint64_t before_end = before->first + before->second.size_bytes;
    Check(before_end <= offset, "a block is freed once");
    if (before_end == offset) {
      offset = before->first;
      size_bytes += before->second.size_bytes;
      Erase(before);
    }
  }
  Insert(offset, size_bytes, ++freed_count_);
}

/// Sorted by size, and among equals the block freed last comes first: its pages may still be in the
/// processor's cache.
ArenaAllocator::Fit ArenaAllocator::FitOf(Blocks::const_iterator block) {
  return {block->second.size_bytes, ~block->second.freed_order, block->first};
}

void ArenaAllocator::Insert(std::uint64_t offset, std::uint64_t size_bytes,
                            std::uint64_t freed_order) {
  fits_.insert(FitOf(blocks_.emplace(offset, FreeBlock{size_bytes, freed_order}).first));
}

ArenaAllocator::Blocks::iterator ArenaAllocator::Erase(Blocks::iterator block) {
  fits_.erase(FitOf(block));
  return blocks_.erase(block);
}

void ArenaAllocator::CheckInvariants() const {
  Check(frontier_ <= capacity_bytes_, "the frontier is within the arena");
  Check(blocks_.size() == fits_.size(), "both indexes have the same blocks");
  std::uint64_t end = 0;
  bool first = true;
  for (auto block = blocks_.begin(); block != blocks_.end(); ++block) {
    Check(first || block->first > end, "neighbouring free blocks are merged");
    Check(fits_.contains(FitOf(block)), "every free block can be found by size");
    end = block->first + block->second.size_bytes;
    Check(end <= frontier_, "free blocks are below the frontier");
    first = false;
  }
}

}  // namespace mobula::object_store
