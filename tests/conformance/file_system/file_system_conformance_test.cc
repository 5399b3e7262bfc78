// Every FileSystem must keep the promises of file_system.h.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <memory>

#include "components/base/real/file_system.h"
#include "sim/simulated_file_system.h"

namespace mobula {
namespace {

struct Kind {
  std::string name;
  std::function<std::unique_ptr<FileSystem>()> make;
};
void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }

class FileSystemConformanceTest : public testing::TestWithParam<Kind> {
 public:
  FileSystemConformanceTest()
      : root_(std::filesystem::temp_directory_path() /
              ("mobula_files_" + std::to_string(::getpid()))) {
    EXPECT_TRUE(files_->MakeFolder(root_.string()));
  }
  ~FileSystemConformanceTest() override { EXPECT_TRUE(files_->Remove(root_.string())); }
  [[nodiscard]] std::string At(const std::string& name) const { return (root_ / name).string(); }

  std::filesystem::path root_;
  std::unique_ptr<FileSystem> files_ = GetParam().make();
};

TEST_P(FileSystemConformanceTest, ReadsBackWhatWasWrittenAndReplacesAsAWhole) {
  const std::string bytes("a\0b", 3);
  ASSERT_TRUE(files_->WriteAtomically(At("x"), bytes, FileMode::kPrivate));
  EXPECT_EQ(*files_->Read(At("x"), 3), bytes);
  ASSERT_TRUE(files_->WriteAtomically(At("x"), "c", FileMode::kPrivate));
  EXPECT_EQ(*files_->Read(At("x"), 3), "c");
  EXPECT_EQ(*files_->List(root_.string()), std::vector<std::string>{"x"});
}

TEST_P(FileSystemConformanceTest, ReadSaysNotFoundAndTooLarge) {
  EXPECT_EQ(files_->Read(At("none"), 10).error().code(), ErrorCode::kNotFound);
  ASSERT_TRUE(files_->WriteAtomically(At("x"), "12345", FileMode::kReadable));
  const auto result = files_->Read(At("x"), 4);
  EXPECT_EQ(result.error().code(), ErrorCode::kResourceExhausted);
  EXPECT_NE(result.error().message().find(At("x")), std::string::npos);
  EXPECT_EQ(files_->Read(root_.string(), 4).error().code(), ErrorCode::kInternal);
}

TEST_P(FileSystemConformanceTest, ATailIsTheEndOfAFileOrAllOfIt) {
  EXPECT_TRUE(files_->WriteAtomically(At("x"), "abcdef", FileMode::kPrivate).has_value());
  EXPECT_EQ(*files_->ReadTail(At("x"), 2), "ef");
  EXPECT_EQ(*files_->ReadTail(At("x"), 6), "abcdef");
  EXPECT_EQ(*files_->ReadTail(At("x"), 100), "abcdef");
  EXPECT_EQ(files_->ReadTail(At("none"), 2).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(files_->ReadTail(root_.string(), 2).error().code(), ErrorCode::kInternal);
}

TEST_P(FileSystemConformanceTest, WritesNothingIntoAFolderThatIsNotThere) {
  EXPECT_EQ(files_->WriteAtomically(At("none/x"), "1", FileMode::kPrivate).error().code(),
            ErrorCode::kNotFound);
  ASSERT_TRUE(files_->MakeFolder(At("folder")));
  EXPECT_EQ(files_->WriteAtomically(At("folder"), "1", FileMode::kPrivate).error().code(),
            ErrorCode::kInternal);
  EXPECT_EQ(files_->List(root_.string())->size(), 1U) << "something was left behind";
}

TEST_P(FileSystemConformanceTest, MakesFoldersAndThoseAbove) {
  EXPECT_TRUE(files_->MakeFolder(At("a/b/c")));
  EXPECT_TRUE(files_->MakeFolder(At("a/b/c")));
  EXPECT_TRUE(files_->Exists(At("a/b")));
  ASSERT_TRUE(files_->WriteAtomically(At("file"), "", FileMode::kPrivate));
  EXPECT_FALSE(files_->MakeFolder(At("file/below")));
}

TEST_P(FileSystemConformanceTest, RemovesFilesAndWholeFoldersAndWhatIsAbsent) {
  ASSERT_TRUE(files_->MakeFolder(At("a/b")));
  ASSERT_TRUE(files_->WriteAtomically(At("a/b/x"), "1", FileMode::kPrivate));
  ASSERT_TRUE(files_->WriteAtomically(At("ab"), "1", FileMode::kPrivate));
  EXPECT_TRUE(files_->Remove(At("a")));
  EXPECT_TRUE(files_->Remove(At("a")));
  EXPECT_FALSE(files_->Exists(At("a/b/x")));
  EXPECT_TRUE(files_->Exists(At("ab")));
}

TEST_P(FileSystemConformanceTest, ListsSortedNamesOrSaysNotFound) {
  ASSERT_TRUE(files_->MakeFolder(At("b")));
  ASSERT_TRUE(files_->WriteAtomically(At("b/deep"), "", FileMode::kPrivate));
  ASSERT_TRUE(files_->WriteAtomically(At("c"), "", FileMode::kPrivate));
  ASSERT_TRUE(files_->WriteAtomically(At("a"), "", FileMode::kPrivate));
  EXPECT_EQ(*files_->List(root_.string()), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(files_->List(At("none")).error().code(), ErrorCode::kNotFound);
}

INSTANTIATE_TEST_SUITE_P(
    All, FileSystemConformanceTest,
    testing::Values(Kind{"real", [] { return std::make_unique<RealFileSystem>(); }},
                    Kind{"simulated", [] { return std::make_unique<sim::SimulatedFileSystem>(); }}),
    [](const auto& info) { return info.param.name; });

TEST(RealFileSystemTest, ModesHoldWhateverTheUmask) {
  RealFileSystem files;
  const std::string path = testing::TempDir() + "/mobula_mode_" + std::to_string(::getpid());
  const mode_t before = ::umask(0);
  struct stat info{};
  ASSERT_TRUE(files.WriteAtomically(path, "secret", FileMode::kPrivate));
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  ::umask(077);
  ASSERT_TRUE(files.WriteAtomically(path, "text", FileMode::kReadable));
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0644U);
  ::umask(before);
  EXPECT_TRUE(files.Remove(path));
}

TEST(SimulatedFileSystemTest, ACrashKeepsWhatWasWrittenAndForgetsWhatWasNotSynced) {
  sim::SimulatedFileSystem files;
  ASSERT_TRUE(files.MakeFolder("/state"));
  ASSERT_TRUE(files.WriteAtomically("/state/a", "1", FileMode::kPrivate));
  ASSERT_TRUE(files.MakeFolder("/empty"));
  ASSERT_TRUE(files.Remove("/state/a"));
  EXPECT_FALSE(files.Exists("/state/a"));
  files.Crash();
  EXPECT_EQ(*files.Read("/state/a", 9), "1") << "the removal was not synced";
  EXPECT_FALSE(files.Exists("/empty"));
  ASSERT_TRUE(files.Remove("/state/a"));
  ASSERT_TRUE(files.WriteAtomically("/state/b", "2", FileMode::kPrivate));
  files.Crash();
  EXPECT_FALSE(files.Exists("/state/a")) << "writing beside it synced the folder";
  EXPECT_EQ(files.Mode("/state/b"), FileMode::kPrivate);
}

TEST(SimulatedFileSystemTest, AnInjectedErrorLeavesTheOldFile) {
  sim::SimulatedFileSystem files;
  ASSERT_TRUE(files.WriteAtomically("/a", "old", FileMode::kPrivate));
  files.SetFault([](sim::SimulatedFileSystem::Operation operation, std::string_view path) {
    return operation == sim::SimulatedFileSystem::Operation::kWrite && path == "/a"
               ? std::optional(Error(ErrorCode::kResourceExhausted, "disk full"))
               : std::nullopt;
  });
  EXPECT_EQ(files.WriteAtomically("/a", "new", FileMode::kPrivate).error().message(), "disk full");
  EXPECT_EQ(*files.Read("/a", 9), "old");
  files.SetFault(nullptr);
  EXPECT_TRUE(files.WriteAtomically("/a", "new", FileMode::kPrivate));
}

}  // namespace
}  // namespace mobula
