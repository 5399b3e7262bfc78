#include "components/object_store/shared_memory/arena_allocator.h"

#include <gtest/gtest.h>

#include <map>

#include "components/base/random.h"

namespace mobula::object_store {
namespace {

TEST(ArenaAllocatorTest, ReusesTheBlockFreedLastAmongEquals) {
  ArenaAllocator arena(6400);
  std::vector<std::uint64_t> blocks;
  for (int i = 0; i < 10; ++i) blocks.push_back(*arena.Allocate(64));
  arena.Free(blocks[2], 64);
  arena.Free(blocks[6], 64);
  arena.Free(blocks[4], 64);
  EXPECT_EQ(arena.Allocate(64), blocks[4]);
  EXPECT_EQ(arena.Allocate(64), blocks[6]);
  EXPECT_EQ(arena.Allocate(64), blocks[2]);
}

TEST(ArenaAllocatorTest, PrefersUsedMemoryToUntouched) {
  ArenaAllocator arena(1 << 20);
  for (int i = 0; i < 100; ++i) {
    const auto block = arena.Allocate(4096);
    arena.Free(*block, 4096);
  }
  EXPECT_EQ(arena.frontier(), 4096U);
}

TEST(ArenaAllocatorTest, GrowsAFreeBlockAtTheFrontierIntoUntouchedMemory) {
  ArenaAllocator arena(1024);
  arena.Free(*arena.Allocate(512), 512);
  EXPECT_EQ(arena.Allocate(1024), 0U);
  EXPECT_EQ(arena.Allocate(64), std::nullopt);
}

TEST(ArenaAllocatorTest, MergesNeighbours) {
  ArenaAllocator arena(4 * 64);
  for (const std::uint64_t offset : {0, 64, 128, 192}) EXPECT_EQ(arena.Allocate(64), offset);
  arena.Free(64, 64);
  arena.Free(192, 64);
  EXPECT_EQ(arena.Allocate(128), std::nullopt) << "two pieces of 64 are no 128";
  arena.Free(128, 64);
  arena.CheckInvariants();
  EXPECT_EQ(arena.Allocate(192), 64U);
}

TEST(ArenaAllocatorDeathTest, RefusesADoubleFree) {
  ArenaAllocator arena(1024);
  const auto first = arena.Allocate(64);
  (void)arena.Allocate(64);
  arena.Free(*first, 64);
  EXPECT_DEATH(arena.Free(*first, 64), "freed once");
}

TEST(ArenaAllocatorTest, NeverGivesAByteTwiceAndLosesNone) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    constexpr std::uint64_t kCapacity = 256 * 64;
    Random random(seed);
    ArenaAllocator arena(kCapacity);
    std::map<std::uint64_t, std::uint64_t> held;  // offset -> size
    for (int step = 0; step < 2000; ++step) {
      if (random.Chance(0.55)) {
        const std::uint64_t size = 64 * (1 + random.Below(24));
        const auto offset = arena.Allocate(size);
        if (!offset) continue;
        ASSERT_LE(*offset + size, kCapacity);
        const auto next = held.lower_bound(*offset);
        ASSERT_TRUE(next == held.end() || *offset + size <= next->first);
        ASSERT_TRUE(next == held.begin() ||
                    std::prev(next)->first + std::prev(next)->second <= *offset);
        held.emplace(*offset, size);
      } else if (!held.empty()) {
        const auto victim =
            std::next(held.begin(), static_cast<std::ptrdiff_t>(random.Below(held.size())));
        arena.Free(victim->first, victim->second);
        held.erase(victim);
      }
      arena.CheckInvariants();
    }
    for (const auto& [offset, size] : held) arena.Free(offset, size);
    EXPECT_EQ(arena.Allocate(kCapacity), 0U) << "all pieces merge again";
  }
}

}  // namespace
}  // namespace mobula::object_store
