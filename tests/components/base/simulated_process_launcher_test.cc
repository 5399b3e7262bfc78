#include "components/base/simulated/process_launcher.h"

#include <gtest/gtest.h>

#include <vector>

#include "components/base/simulated/event_loop.h"

namespace mobula {
namespace {

class SimulatedProcessLauncherTest : public testing::Test {
 protected:
  class Process final : public SimulatedProcess {
   public:
    explicit Process(std::vector<std::string>* seen) : seen_(seen) {}
    ~Process() override { seen_->emplace_back("destroyed"); }
    void Signal(int signal) override { seen_->push_back("signal " + std::to_string(signal)); }

   private:
    std::vector<std::string>* seen_;
  };

  std::int64_t Start() {
    ProcessSpec spec;
    spec.arguments = {"worker"};
    return *launcher_->Launch(spec, [this](ExitStatus s) { seen_.push_back(s.ToString()); });
  }

  std::vector<std::string> seen_;
  SimulatedEventLoop loop_{1};
  std::unique_ptr<SimulatedProcessLauncher> launcher_ = std::make_unique<SimulatedProcessLauncher>(
      loop_, [this](const ProcessSpec& spec, std::int64_t) -> std::unique_ptr<SimulatedProcess> {
        if (spec.arguments[0] != "worker") return nullptr;
        return std::make_unique<Process>(&seen_);
      });
};

TEST_F(SimulatedProcessLauncherTest, KillDestroysTheProcessLaterThenReports) {
  const auto pid = Start();
  launcher_->SignalGroup(pid, SIGKILL);
  launcher_->SignalGroup(pid, SIGKILL);
  EXPECT_TRUE(seen_.empty());
  EXPECT_TRUE(launcher_->running().empty());
  loop_.RunReady();
  EXPECT_EQ(seen_, (std::vector<std::string>{"destroyed", "signal 9 (SIGKILL)"}));
}

TEST_F(SimulatedProcessLauncherTest, OtherSignalsReachTheProcessWhichMayExit) {
  const auto pid = Start();
  launcher_->SignalGroup(pid, SIGTERM);
  launcher_->Exit(pid, ExitStatus{.code = 3});
  loop_.RunReady();
  launcher_->SignalGroup(pid, SIGTERM);
  EXPECT_EQ(seen_, (std::vector<std::string>{"signal 15", "destroyed", "exit code 3"}));
}

TEST_F(SimulatedProcessLauncherTest, AnUnknownProgramIsNotFound) {
  ProcessSpec spec;
  EXPECT_EQ(launcher_->Launch(spec, nullptr).error().code(), ErrorCode::kInvalidArgument);
  spec.arguments = {"nonsense"};
  EXPECT_EQ(launcher_->Launch(spec, nullptr).error().code(), ErrorCode::kNotFound);
}

TEST_F(SimulatedProcessLauncherTest, PidsDifferAndDestructionIsSilent) {
  const auto first = Start();
  const auto second = Start();
  EXPECT_EQ(launcher_->running(), (std::vector{first, second}));
  launcher_->SignalGroup(first, SIGKILL);
  launcher_.reset();
  loop_.RunReady();
  EXPECT_EQ(seen_, (std::vector<std::string>{"destroyed", "destroyed"}));
}

}  // namespace
}  // namespace mobula
