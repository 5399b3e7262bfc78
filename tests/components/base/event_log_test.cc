#include "components/base/event_log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "components/base/simulated/event_loop.h"

namespace mobula {
namespace {

using namespace std::chrono_literals;

class EventLogTest : public testing::Test {
 protected:
  LogSink Sink() {
    return [this](LogLevel, std::string_view line) { lines_.emplace_back(line); };
  }
  SimulatedEventLoop loop_{1};
  std::vector<std::string> lines_;
};

TEST_F(EventLogTest, ALineIsTimeWhoSubjectEventDetails) {
  EventLog log(loop_.clock(), "n2", LogLevel::kInfo, Sink());
  loop_.RunFor(12340ms);
  log.Info("lease", "granted", "task={} worker={}", 7, 3);
  EXPECT_EQ(lines_, std::vector<std::string>{"  12.340s  n2  lease   granted  task=7 worker=3"});
}

TEST_F(EventLogTest, LevelsAboveTheMaximumAreSilent) {
  EventLog log(loop_.clock(), "n2", LogLevel::kInfo, Sink());
  log.Debug("a", "b", "c");
  log.Error("a", "b", "c");
  EXPECT_EQ(lines_.size(), 1U);
  EventLog silent(loop_.clock(), "n2", LogLevel::kDebug, nullptr);
  EXPECT_FALSE(silent.IsOn(LogLevel::kError));
  silent.Error("a", "b", "c");
}

TEST_F(EventLogTest, OneEventIsOneLineWhateverItSays) {
  EventLog log(loop_.clock(), "n2", LogLevel::kInfo, Sink());
  log.Info("task", "failed", "name={}", "a\nb\r");
  log.Info("node", "up", "{}", "");
  EXPECT_EQ(lines_, (std::vector<std::string>{"   0.000s  n2  task    failed   name=a b",
                                              "   0.000s  n2  node    up"}));
}

TEST_F(EventLogTest, TheDescriptorSinkWritesLines) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const LogSink sink = FileDescriptorSink(ends[1]);
  sink(LogLevel::kInfo, "one");
  sink(LogLevel::kInfo, "two");
  std::array<char, 64> bytes{};
  const ssize_t got = ::read(ends[0], bytes.data(), bytes.size());
  EXPECT_EQ(std::string_view(bytes.data(), static_cast<std::size_t>(got)), "one\ntwo\n");
  ::close(ends[0]);
  ::close(ends[1]);
}

}  // namespace
}  // namespace mobula
