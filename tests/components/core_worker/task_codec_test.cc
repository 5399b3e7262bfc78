#include "components/core_worker/task_codec.h"

#include <gtest/gtest.h>

#include "components/base/random.h"

namespace mobula::core_worker {
namespace {

TaskId Id(std::uint64_t index) { return ChildTaskId(TaskId(), index); }

std::string Tasks() {
  std::string arguments;
  AppendArgumentHead(3, false, &arguments);
  arguments += "abc";
  AppendArgumentHead(200, true, &arguments);
  arguments.append(200, 'x');
  std::string batch;
  AppendConstants(7, "constants", &batch);
  AppendTask(Id(1), 0, 7, arguments, &batch);
  AppendTask(Id(2), UINT32_MAX, kConstantsSlots - 1, "", &batch);
  return batch;
}

/// Reads all, arguments too. \return the number of entries, or nullopt if it is corrupt.
std::optional<int> Count(std::string_view batch) {
  int count = 0;
  BatchReader reader(batch);
  for (TaskEntry task; reader.Next(&task); ++count) {
    EXPECT_LT(task.slot, kConstantsSlots);
    EXPECT_GE(task.bytes.data(), batch.data());
    EXPECT_LE(task.bytes.data() + task.bytes.size(), batch.data() + batch.size());
    BatchReader arguments(task.bytes);
    for (ArgumentEntry argument; arguments.Next(&argument);) {
      EXPECT_LE(argument.bytes.data() + argument.bytes.size(), batch.data() + batch.size());
    }
  }
  return reader.IsCorrupt() ? std::nullopt : std::optional(count);
}

TEST(TaskCodecTest, ABatchOfTasksComesOutAsItWentIn) {
  const std::string batch = Tasks();
  BatchReader reader(batch);
  TaskEntry entry;
  ASSERT_TRUE(reader.Next(&entry));
  EXPECT_TRUE(entry.is_constants);
  EXPECT_EQ(entry.slot, 7U);
  EXPECT_EQ(entry.bytes, "constants");
  ASSERT_TRUE(reader.Next(&entry));
  EXPECT_FALSE(entry.is_constants);
  EXPECT_EQ(entry.id, Id(1));
  EXPECT_EQ(entry.slot, 7U);
  BatchReader arguments(entry.bytes);
  ArgumentEntry argument;
  ASSERT_TRUE(arguments.Next(&argument));
  EXPECT_FALSE(argument.is_stored);
  EXPECT_EQ(argument.bytes, "abc");
  ASSERT_TRUE(arguments.Next(&argument));
  EXPECT_TRUE(argument.is_stored);
  EXPECT_EQ(argument.bytes, std::string(200, 'x'));
  EXPECT_FALSE(arguments.Next(&argument));
  EXPECT_FALSE(arguments.IsCorrupt());
  ASSERT_TRUE(reader.Next(&entry));
  EXPECT_EQ(entry.id, Id(2));
  EXPECT_EQ(entry.attempt, UINT32_MAX);
  EXPECT_EQ(entry.bytes, "");
  EXPECT_FALSE(reader.Next(&entry));
  EXPECT_FALSE(reader.IsCorrupt());
}

TEST(TaskCodecTest, ABatchOfValuesComesOutAsItWentIn) {
  std::string batch;
  for (const std::uint64_t duration :
       {std::uint64_t{0}, std::uint64_t{300}, std::uint64_t{INT64_MAX}}) {
    AppendValueHead(Id(duration), 3, duration, 2, &batch);
    batch += "ok";
  }
  BatchReader reader(batch);
  ValueEntry entry;
  for (const std::uint64_t duration :
       {std::uint64_t{0}, std::uint64_t{300}, std::uint64_t{INT64_MAX}}) {
    ASSERT_TRUE(reader.Next(&entry));
    EXPECT_EQ(entry.id, Id(duration));
    EXPECT_EQ(entry.attempt, 3U);
    EXPECT_EQ(entry.duration_ns, duration);
    EXPECT_EQ(entry.bytes, "ok");
  }
  EXPECT_FALSE(reader.Next(&entry));
  EXPECT_FALSE(reader.IsCorrupt());
}

TEST(TaskCodecTest, WhatIsCutShortIsCorruptUnlessItIsCutBetweenTwo) {
  const std::string batch = Tasks();
  int whole = 0;
  for (std::size_t size = 0; size <= batch.size(); ++size) {
    const std::string part = batch.substr(0, size);  // of its own: the sanitizer sees its end
    if (Count(part)) ++whole;
  }
  EXPECT_EQ(whole, 4);
  std::string value;
  AppendValueHead(Id(1), 0, 5, 3, &value);
  value += "abc";
  for (std::size_t size = 1; size < value.size(); ++size) {
    const std::string part = value.substr(0, size);
    BatchReader reader(part);
    ValueEntry entry;
    EXPECT_FALSE(reader.Next(&entry));
    EXPECT_TRUE(reader.IsCorrupt()) << size;
  }
}

TEST(TaskCodecTest, NumbersThatMeanNothingAreCorrupt) {
  const auto is_corrupt = [](std::string bytes) { return !Count(bytes).has_value(); };
  EXPECT_TRUE(is_corrupt("\x03")) << "no such kind";
  const std::string id(TaskId::kSize, 'i');
  const std::string slot_256("\x80\x02", 2);
  EXPECT_TRUE(is_corrupt("\x02" + slot_256 + std::string(1, '\0'))) << "a slot too many";
  EXPECT_TRUE(is_corrupt("\x01" + id + "\xff\xff\xff\xff\x1f" + std::string(2, '\0')))
      << "an attempt of more than 32 bits";
  EXPECT_TRUE(is_corrupt("\x01" + id + std::string(2, '\0') + std::string(9, '\xff') + "\x02"))
      << "a size of more than 64 bits";
  EXPECT_TRUE(is_corrupt("\x01" + id + std::string(2, '\0') + std::string(9, '\xff') + "\x01"))
      << "a size beyond the end";
}

TEST(TaskCodecTest, RandomBytesAreReadWithoutHarm) {
  Random random(20);
  const std::string batch = Tasks();
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = batch;
    for (int change = 0; change < 3; ++change) {
      bytes[random.Below(bytes.size())] = static_cast<char>(random.Below(256));
    }
    bytes.resize(random.Below(bytes.size()) + 1);
    static_cast<void>(Count(bytes));
    BatchReader reader(bytes);
    for (ValueEntry entry; reader.Next(&entry);) {
      EXPECT_LE(entry.bytes.data() + entry.bytes.size(), bytes.data() + bytes.size());
    }
  }
}

}  // namespace
}  // namespace mobula::core_worker
