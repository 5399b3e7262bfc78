// Programs by content hash: shared once, fetched whole or not at all.

#include "components/raylet/program_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "components/protocol/common.pb.h"
#include "tests/components/raylet/raylet_world.h"

namespace mobula::raylet::testing {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

class ProgramStoreTest : public ::testing::Test {
 protected:
  ProgramStoreTest() {
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 167 >> 7);
    program.set_hash(HashProgram(bytes));
    program.set_path("/home/app");
    EXPECT_TRUE(world.files.MakeFolder("/home"));
    EXPECT_TRUE(world.files.WriteAtomically("/home/app", bytes, FileMode::kProgram));
  }
  std::unique_ptr<ProgramStore> Store(std::string folder) {
    return std::make_unique<ProgramStore>(ProgramStore::Deps{world.files, *world.gcs, world.log},
                                          std::move(folder));
  }
  /// The driver's own, with the program in it.
  std::unique_ptr<ProgramStore> Source() {
    auto store = Store("/n1");
    store->AddLocal(program);
    return store;
  }
  Result<void> Share(ProgramStore& store) {
    std::optional<Result<void>> shared;
    store.EnsureShared(program.hash(), [&](Result<void> result) { shared = std::move(result); });
    EXPECT_TRUE(world.loop.RunUntil([&] { return shared.has_value(); }, seconds(10)))
        << "the program is never shared";
    return *shared;
  }
  Result<std::string> Fetch(ProgramStore& store) {
    std::optional<Result<std::string>> path;
    store.EnsureLocal(program, [&](Result<std::string> found) { path = std::move(found); });
    EXPECT_TRUE(world.loop.RunUntil([&] { return path.has_value(); }, seconds(10)))
        << "the program is never fetched";
    return *path;
  }
  /// Replaces or removes one of the shared chunks.
  void Change(std::size_t chunk, std::optional<std::string> value) {
    std::string key = fmt::format("{}/{:06}", program.hash(), chunk);
    if (value) {
      world.gcs->Put("programs", std::move(key), std::move(*value), [](const auto&) {});
    } else {
      world.gcs->Delete("programs", std::move(key), [](const auto&) {});
    }
    world.RunFor(seconds(1));
  }

  World world{{{"CPU", 1}}};
  std::string bytes = std::string(2 * ProgramStore::kChunkBytes + 5, 'x');
  protocol::Program program;
};

TEST_F(ProgramStoreTest, AProgramReachesAnotherNodeWholeAndUnderItsHash) {
  const auto source = Source();
  const auto other = Store("/n2");
  EXPECT_EQ(Fetch(*source).value_or("?"), "/home/app");
  EXPECT_TRUE(Share(*source));
  const std::string path = Fetch(*other).value_or("?");
  EXPECT_EQ(path, "/n2/" + program.hash());
  EXPECT_EQ(world.files.Read(path, 1 << 30).value_or("?"), bytes);
  EXPECT_EQ(world.files.Mode(path), FileMode::kProgram);
  EXPECT_TRUE(Share(*other));  // it is not where it came from: nothing to do
}

TEST_F(ProgramStoreTest, WhoWaitsForTheSameProgramIsAnsweredByOneFetch) {
  EXPECT_TRUE(Share(*Source()));
  const auto other = Store("/n2");
  std::size_t writes = 0;
  world.files.SetFault([&](auto operation, std::string_view) -> std::optional<Error> {
    writes += operation == sim::SimulatedFileSystem::Operation::kWrite ? 1 : 0;
    return std::nullopt;
  });
  int answers = 0;
  for (int i = 0; i < 3; ++i) {
    other->EnsureLocal(program, [&](const auto& path) { answers += path ? 1 : 0; });
  }
  EXPECT_TRUE(world.loop.RunUntil([&] { return answers == 3; }, seconds(10)))
      << answers << " of 3 callers were answered";
  EXPECT_TRUE(Fetch(*other));
  EXPECT_TRUE(Fetch(*Store("/n2"))) << "the file is there since the last start";
  EXPECT_EQ(writes, 1U);
}

TEST_F(ProgramStoreTest, WhatNobodySharedIsNotFoundAndMayBeFetchedLater) {
  const auto other = Store("/n2");
  const auto path = Fetch(*other);
  ASSERT_FALSE(path);
  EXPECT_EQ(path.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(path.error().message(), HasSubstr(program.hash()));
  EXPECT_TRUE(Share(*Source()));
  EXPECT_TRUE(Fetch(*other));
}

TEST_F(ProgramStoreTest, AProgramThatChangedSinceItsDriverBeganIsNotShared) {
  const auto source = Source();
  EXPECT_TRUE(world.files.WriteAtomically("/home/app", "another build", FileMode::kProgram));
  const auto shared = Share(*source);
  ASSERT_FALSE(shared);
  EXPECT_EQ(shared.error().code(), ErrorCode::kVersionMismatch);
  EXPECT_THAT(shared.error().message(), HasSubstr("/home/app has changed"));
  EXPECT_FALSE(Fetch(*Store("/n2")));
  EXPECT_TRUE(world.files.WriteAtomically("/home/app", bytes, FileMode::kProgram));
  EXPECT_TRUE(Share(*source)) << "a failure is not remembered";
}

TEST_F(ProgramStoreTest, DamagedBytesAreNeverKept) {
  EXPECT_TRUE(Share(*Source()));
  for (const std::optional<std::string>& chunk : {std::optional<std::string>("y"), {}}) {
    Change(1, chunk);
    const auto path = Fetch(*Store("/n2"));
    ASSERT_FALSE(path);
    EXPECT_EQ(path.error().code(), chunk ? ErrorCode::kCorrupt : ErrorCode::kNotFound);
    EXPECT_FALSE(world.files.Exists("/n2/" + program.hash()));
  }
}

TEST_F(ProgramStoreTest, AFullDiskIsToldAndFetchesAgainOnceThereIsRoom) {
  EXPECT_TRUE(Share(*Source()));
  const auto other = Store("/n2");
  world.files.SetFault([](auto operation, std::string_view) -> std::optional<Error> {
    if (operation != sim::SimulatedFileSystem::Operation::kWrite) return std::nullopt;
    return Error(ErrorCode::kResourceExhausted, "the disk is full");
  });
  const auto path = Fetch(*other);
  ASSERT_FALSE(path);
  EXPECT_EQ(path.error().message(), "keeping the program: the disk is full");
  world.files.SetFault(nullptr);
  EXPECT_TRUE(Fetch(*other));
}

TEST_F(ProgramStoreTest, WithoutAFolderProgramsStayWhereTheyAre) {
  const auto store = Store("");
  EXPECT_EQ(Fetch(*store).value_or("?"), "/home/app");
  EXPECT_TRUE(Share(*store));
}

TEST_F(ProgramStoreTest, AStoppedStoreAnswersNobody) {
  EXPECT_TRUE(Share(*Source()));
  const auto other = Store("/n2");
  other->EnsureLocal(program, [](const auto& path) { EXPECT_FALSE(path); });
  other->Stop();
  world.RunFor(seconds(1));
  EXPECT_FALSE(world.files.Exists("/n2/" + program.hash()));
}

}  // namespace
}  // namespace mobula::raylet::testing
