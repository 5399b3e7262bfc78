#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "components/object_store/mapping.h"
#include "tests/components/object_store/stores.h"

namespace mobula::object_store {
namespace {

Result<std::unique_ptr<ObjectStore>> Make(std::uint64_t capacity) {
  return TryMakeStore("shared_memory", capacity);
}

TEST(SharedMemoryStoreTest, RefusesMoreThanTheMachineHasWithTheNumbers) {
  const auto store = Make(1ULL << 60);
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code(), ErrorCode::kResourceExhausted);
  EXPECT_NE(store.error().message().find("GiB of memory are available"), std::string::npos)
      << store.error().ToString();
}

TEST(SharedMemoryStoreTest, RefusesNothing) {
  EXPECT_EQ(Make(0).error().code(), ErrorCode::kInvalidArgument);
}

TEST(SharedMemoryStoreTest, RefusesAKeyItDoesNotKnowWithThoseItDoes) {
  EXPECT_EQ(TryMakeStore("shared_memory", 4096, {{"populate", "never"}}).error().message(),
            "object_store.populate is 'never'; known: ahead, lazy");
  const auto store = TryMakeStore("shared_memory", 4096, {{"colour", "red"}});
  EXPECT_NE(store.error().message().find("capacity, eviction, kind, populate"), std::string::npos)
      << store.error().message();
}

TEST(SharedMemoryStoreTest, TakesNoMemoryBeforeItIsUsed) {
  const auto store = Make(64 << 20);
  struct stat info{};
  ASSERT_EQ(::fstat((*store)->SharedDescriptor(), &info), 0);
  EXPECT_EQ(info.st_size, 64 << 20);
  EXPECT_EQ(info.st_blocks, 0);
}

TEST(SharedMemoryStoreTest, NobodyCanPullThePagesFromUnderAReader) {
  const auto store = Make(1 << 20);
  EXPECT_NE(::ftruncate((*store)->SharedDescriptor(), 0), 0);
  EXPECT_NE(::ftruncate((*store)->SharedDescriptor(), 2 << 20), 0);
}

TEST(SharedMemoryStoreTest, OtherMappingsSeeTheBytesAtTheOffset) {
  const auto store = Make(1 << 20);
  const auto id = ObjectId::OfTask(TaskId(), 7);
  const auto object = (*store)->Create(id, 5000, CopyKind::kPrimary, kRaylet);
  std::ranges::fill(object->bytes, std::byte{42});
  auto mapping = Mapping::Make((*store)->SharedDescriptor(), 1 << 20, MapAccess::kRead);
  ASSERT_TRUE(mapping);
  const auto seen = (*mapping)->bytes().subspan(object->arena_offset, 5000);
  EXPECT_TRUE(std::ranges::equal(seen, object->bytes));
}

/// \return pages of the range that are in memory.
int PagesPresent(std::span<std::byte> bytes) {
  std::vector<unsigned char> present(bytes.size() / 4096);
  EXPECT_EQ(::mincore(bytes.data(), bytes.size(), present.data()), 0);
  return static_cast<int>(std::ranges::count_if(present, [](auto b) { return (b & 1) != 0; }));
}

TEST(MappingTest, PopulatesTheRangeInBoundedStepsAndOnlyOnce) {
  const auto store = Make(4 << 20);
  auto mapping = *Mapping::Make((*store)->SharedDescriptor(), 4 << 20, MapAccess::kReadWrite);
  EXPECT_EQ(mapping->Populate(0, 1 << 20, 512 << 10), 512U << 10);
  EXPECT_EQ(PagesPresent(mapping->bytes()), 128);
  EXPECT_EQ(mapping->Populate(512 << 10, 1 << 20, 1 << 20), 1U << 20);
  EXPECT_EQ(mapping->Populate(0, 1 << 20, 4096), 1U << 20) << "warm: done at once";
  EXPECT_EQ(PagesPresent(mapping->bytes()), 256);
}

TEST(MappingTest, SmallRangesPopulateTheirNeighbourhood) {
  const auto store = Make(1 << 20);
  auto mapping = *Mapping::Make((*store)->SharedDescriptor(), 1 << 20, MapAccess::kReadWrite);
  EXPECT_EQ(mapping->Populate(64, 128, 1 << 20), 128U);
  EXPECT_EQ(PagesPresent(mapping->bytes()), 16);
}

}  // namespace
}  // namespace mobula::object_store
