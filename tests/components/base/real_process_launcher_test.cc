#include "components/base/real/process_launcher.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <memory>
#include <optional>
#include <thread>

#include "components/base/real/file_system.h"

namespace mobula {
namespace {

using namespace std::chrono_literals;

/// What `/bin/sh -c script` wants.
ProcessSpec Shell(std::string script) {
  ProcessSpec spec;
  spec.arguments = {"/bin/sh", "-c", std::move(script)};
  return spec;
}

class RealProcessLauncherTest : public testing::Test {
 public:
  RealProcessLauncherTest()
      : folder_(testing::TempDir() + "/mobula_launch_" + std::to_string(::getpid())) {
    EXPECT_TRUE(files_.MakeFolder(folder_));
  }
  ~RealProcessLauncherTest() override { EXPECT_TRUE(files_.Remove(folder_)); }

  /// Runs the loop until the condition holds. \return false if nothing happens for too long.
  template <typename F>
  bool RunUntil(F condition) {
    while (!condition()) {
      if (loop_.context().run_one_for(30s) == 0) return false;
    }
    return true;
  }
  std::int64_t Start(const ProcessSpec& spec) {
    const auto pid = launcher_->Launch(spec, [this](ExitStatus status) { status_ = status; });
    EXPECT_TRUE(pid) << pid.error().ToString();
    return pid.value_or(0);
  }
  ExitStatus RunToEnd(const ProcessSpec& spec) {
    Start(spec);
    EXPECT_TRUE(RunUntil([&] { return status_.has_value(); }));
    return status_.value_or(ExitStatus{.code = -2});
  }
  /// Reads what a child wrote to its descriptor 3, until `size` bytes or its end.
  static std::string ReadFrom(int fd, std::size_t size) {
    std::string text(size, '\0');
    const ssize_t got = ::read(fd, text.data(), size);
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    return text;
  }
  std::string ReadLog() { return files_.Read(folder_ + "/log", 1 << 20).value_or("no log"); }

  RealFileSystem files_;
  std::string folder_;
  RealEventLoop loop_;
  std::unique_ptr<RealProcessLauncher> launcher_ = std::make_unique<RealProcessLauncher>(loop_);
  std::optional<ExitStatus> status_;
};

TEST_F(RealProcessLauncherTest, ReportsExitCodesAndSignals) {
  EXPECT_EQ(RunToEnd(Shell("exit 3")).ToString(), "exit code 3");
  status_.reset();
  EXPECT_EQ(RunToEnd(Shell("kill -SEGV $$")).ToString(), "signal 11 (SIGSEGV)");
}

TEST_F(RealProcessLauncherTest, SaysWhyItCannotStart) {
  ProcessSpec spec;
  EXPECT_EQ(launcher_->Launch(spec, nullptr).error().code(), ErrorCode::kInvalidArgument);
  spec.arguments = {"/no/such/program"};
  EXPECT_EQ(launcher_->Launch(spec, nullptr).error().ToString(),
            "not_found: there is no program '/no/such/program'");
  spec.arguments = {"/etc/passwd"};
  EXPECT_EQ(launcher_->Launch(spec, nullptr).error().code(), ErrorCode::kInternal);
  spec = Shell("exit 0");
  spec.folder = "/no/such/folder";
  EXPECT_EQ(launcher_->Launch(spec, nullptr).error().message(),
            "cannot enter the working folder '/no/such/folder': No such file or directory");
  spec = Shell("exit 0");
  spec.log_path = "/no/such/folder/log";
  EXPECT_FALSE(launcher_->Launch(spec, nullptr));
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a child was left";
  EXPECT_EQ(errno, ECHILD);
}

TEST_F(RealProcessLauncherTest, GivesEnvironmentFolderAndLog) {
  ASSERT_TRUE(files_.WriteAtomically(folder_ + "/log", "old\n", FileMode::kPrivate));
  ProcessSpec spec = Shell("echo $MOBULA_A-$PATH; pwd >&2; cat");
  spec.environment = {{"MOBULA_A", "1"}, {"PATH", "/usr/bin:/bin"}};
  spec.folder = folder_;
  spec.log_path = folder_ + "/log";
  EXPECT_EQ(RunToEnd(spec).code, 0);
  EXPECT_EQ(ReadLog(),
            "old\n1-/usr/bin:/bin\n" + std::filesystem::canonical(folder_).string() + "\n");
}

TEST_F(RealProcessLauncherTest, OnlyTheGivenDescriptorIsInheritedAsNumberThree) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);  // without close-on-exec, on purpose
  const int leak = ::dup(ends[1]);
  const std::string list =
      "for i in 0 1 2 3 4 5 6 7 8 9 10 11 12; do test -e /proc/$$/fd/$i && echo -n $i,; done; true";
  ProcessSpec spec = Shell(list + "; echo -n more >&3");
  spec.log_path = folder_ + "/log";
  spec.inherit_fd = ends[1];
  EXPECT_EQ(RunToEnd(spec).code, 0);
  EXPECT_EQ(ReadLog(), "0,1,2,3,");
  EXPECT_EQ(ReadFrom(ends[0], 100), "more");
  EXPECT_EQ(::fcntl(ends[1], F_GETFD), 0) << "still the caller's, unchanged";

  status_.reset();
  ProcessSpec none = Shell(list);
  none.log_path = folder_ + "/other";
  EXPECT_EQ(RunToEnd(none).code, 0);
  EXPECT_EQ(*files_.Read(none.log_path, 100), "0,1,2,");
  for (const int fd : {ends[0], ends[1], leak}) ::close(fd);
}

TEST_F(RealProcessLauncherTest, StartsWithDefaultSignalsAndItsOwnGroup) {
  struct sigaction ignore{};
  struct sigaction before{};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &ignore, &before);
  ProcessSpec spec = Shell("grep -E 'SigBlk|SigIgn' /proc/self/status");
  spec.log_path = folder_ + "/log";
  EXPECT_EQ(RunToEnd(spec).code, 0);
  ::sigaction(SIGPIPE, &before, nullptr);
  EXPECT_EQ(ReadLog(), "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
  const std::int64_t pid = Start(Shell("while :; do sleep 1000; done"));
  EXPECT_EQ(::getpgid(static_cast<pid_t>(pid)), static_cast<pid_t>(pid));
}

TEST_F(RealProcessLauncherTest, SignalGroupReachesTheWholeGroup) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  ProcessSpec spec = Shell("sleep 1000 & echo ready >&3; wait");
  spec.inherit_fd = ends[1];
  const std::int64_t pid = Start(spec);
  ::close(ends[1]);
  EXPECT_EQ(ReadFrom(ends[0], 6), "ready\n");
  launcher_->SignalGroup(pid, SIGTERM);
  ASSERT_TRUE(RunUntil([&] { return status_.has_value(); }));
  EXPECT_EQ(status_->signal, SIGTERM);
  EXPECT_EQ(ReadFrom(ends[0], 1), "") << "the pipe closes when the grandchild is gone too";
  ::close(ends[0]);
  launcher_->SignalGroup(pid, SIGTERM);  // gone: harmless
  launcher_->SignalGroup(1, 0);          // not ours: ignored
}

TEST_F(RealProcessLauncherTest, WhatIsLeftOfAGroupEndsWithItsLeader) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  ProcessSpec spec = Shell("sleep 1000 & exit 0");
  spec.inherit_fd = ends[1];
  EXPECT_EQ(RunToEnd(spec).code, 0);
  ::close(ends[1]);
  EXPECT_EQ(ReadFrom(ends[0], 1), "");
  ::close(ends[0]);
}

TEST_F(RealProcessLauncherTest, DestructionKillsAndReapsWithoutCallbacks) {
  const std::int64_t pid = Start(Shell("while :; do sleep 1000; done"));
  launcher_.reset();
  EXPECT_EQ(::kill(static_cast<pid_t>(pid), 0), -1);
  EXPECT_EQ(errno, ESRCH);
  loop_.PollOnce();
  EXPECT_FALSE(status_);
}

TEST_F(RealProcessLauncherTest, TheExitCallbackMayDestroyTheLauncher) {
  bool ended = false;
  ASSERT_TRUE(launcher_->Launch(Shell("exit 0"), [&](ExitStatus) {
    launcher_.reset();
    ended = true;
  }));
  EXPECT_TRUE(RunUntil([&] { return ended; }));
}

TEST_F(RealProcessLauncherTest, AChildDiesWithTheThreadThatLaunchedIt) {
  std::thread([&] { Start(Shell("while :; do sleep 1000; done")); }).join();
  ASSERT_TRUE(RunUntil([&] { return status_.has_value(); }));
  EXPECT_EQ(status_->signal, SIGKILL);
}

TEST(ExitStatusTest, PrintsWhatHappened) {
  EXPECT_EQ(ExitStatus{.code = 3}.ToString(), "exit code 3");
  EXPECT_EQ(ExitStatus{.signal = 9}.ToString(), "signal 9 (SIGKILL)");
  EXPECT_EQ(ExitStatus{.signal = 99}.ToString(), "signal 99");
  EXPECT_EQ(ExitStatus{.code = -1}.ToString(), "exit code unknown");
}

}  // namespace
}  // namespace mobula
