// Whose folders stay and whose are swept.

#include "node/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "components/base/real/file_system.h"

namespace mobula::node {
namespace {

namespace fs = std::filesystem;

class SessionTest : public ::testing::Test {
 protected:
  SessionTest() {
    std::string name = (fs::temp_directory_path() / "mobula-session-XXXXXX").string();
    root_ = ::mkdtemp(name.data());
    ::setenv("MOBULA_SESSIONS", root_.c_str(), 1);
  }
  ~SessionTest() override {
    ::unsetenv("MOBULA_SESSIONS");
    fs::remove_all(root_);
  }

  std::string Make(int i) {
    const Result<std::string> folder = MakeSession(files_, fmt::format("{:08}", i));
    EXPECT_TRUE(folder) << folder.error().ToString();
    return folder.value_or(std::string());
  }
  /// A folder whose node was killed: its process, said the record, began at another time.
  std::string MakeKilled(int i) {
    const std::string folder = Make(i);
    NodeRecord record;
    record.folder = folder;
    record.pid = ::getpid();
    record.pid_start = 1;
    EXPECT_TRUE(WriteRecord(files_, record));
    EXPECT_TRUE(files_.WriteAtomically(folder + "/raylet.sock", "", FileMode::kPrivate));
    return folder;
  }

  RealFileSystem files_;
  std::string root_;
};

TEST_F(SessionTest, OfALivingProcessStaysHoweverManyEnd) {
  const std::string own = Make(0);
  for (int i = 1; i <= 30; ++i) EndSession(files_, Make(i));
  const std::string last = Make(31);
  EXPECT_TRUE(fs::exists(own + "/logs"));
  EXPECT_TRUE(fs::exists(own + "/record.yaml"));
  EXPECT_TRUE(fs::exists(last + "/logs"));
  EXPECT_EQ(files_.List(root_)->size(), 22U);  // the two that live and 20 that ended
}

TEST_F(SessionTest, OfAKilledNodeLosesItsSocketsAtTheNextStart) {
  const std::string killed = MakeKilled(1);
  Make(2);
  EXPECT_EQ(*files_.List(killed), std::vector<std::string>{"logs"});
}

TEST_F(SessionTest, IsListedOnlyOnceItNamesAHead) {
  NodeRecord record;
  record.folder = Make(1);
  record.pid = ::getpid();
  record.pid_start = ProcessStart(record.pid);
  EXPECT_TRUE(LiveRecords(files_).empty());
  record.head_address = "127.0.0.1:6379";
  ASSERT_TRUE(WriteRecord(files_, record));
  ASSERT_EQ(LiveRecords(files_).size(), 1U);
  EXPECT_EQ(LiveRecords(files_)[0].folder, record.folder);
  EndSession(files_, record.folder);
  EXPECT_TRUE(LiveRecords(files_).empty());
}

}  // namespace
}  // namespace mobula::node
