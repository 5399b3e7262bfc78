// Every task executor keeps the promises of task_executor.h, and executors that are wrong on
// purpose are found out.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>

#include "components/base/real/event_loop.h"
#include "components/base/simulated/event_loop.h"
#include "components/core_worker/runtime/thread_executor.h"
#include "mobula/get.h"
#include "mobula/internal/encode.h"
#include "mobula/internal/invocation.h"
#include "mobula/remote.h"
#include "sim/sim_executor.h"
#include "tests/conformance/core_worker/executor_checks.h"
#include "tests/patience.h"

namespace mobula::core_worker::testing {
namespace {

using std::chrono::seconds;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// What a task is given: its behaviour and its number in one.
constexpr int kNumbers = 1000;
int Coded(Behaviour behaviour, int number) {
  return static_cast<int>(behaviour) * kNumbers + number;
}

std::string BytesOf(const internal::SerializedValue& value) {
  std::string bytes(value.size, '\0');
  value.CopyTo(std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

// ---- a thread for each lane ----

/// Tasks that wait for each other.
struct Meeting {
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t expected = 1;
  std::size_t met = 0;
} meeting;

void Meet() {
  std::unique_lock lock(meeting.mutex);
  ++meeting.met;
  meeting.changed.notify_all();
  const bool all =
      meeting.changed.wait_for(lock, seconds(30), [] { return meeting.met >= meeting.expected; });
  if (!all) throw std::runtime_error("the others never came");
}

int Behave(int coded) {
  switch (static_cast<Behaviour>(coded / kNumbers)) {
    case Behaviour::kEcho: break;
    case Behaviour::kFail: throw std::runtime_error("as asked");
    case Behaviour::kMeet: Meet(); break;
    case Behaviour::kWait: return Get(Remote<Behave>(Coded(Behaviour::kEcho, 0)));
  }
  return coded % kNumbers;
}

class ThreadWorld : public ExecutorWorld {
 public:
  explicit ThreadWorld(std::size_t lanes) : lanes_(lanes) {
    meeting.expected = lanes;
    meeting.met = 0;
    loop_.RunInThread();
  }
  ~ThreadWorld() override {
    loop_.Enter([this] {
      executor_.reset();
      runtime_.reset();
    });
    loop_.Stop();
    loop_.Join();
  }
  [[nodiscard]] EventLoop& loop() override { return loop_; }
  TaskExecutor& MakeExecutor(CoreWorker& core) override {
    runtime_.emplace(core, loop_);
    return executor_.emplace(core, loop_, *runtime_, lanes_);
  }
  void Start() override {
    for (std::size_t i = 0; i < lanes_; ++i) {
      threads_.emplace_back([this] { executor_->RunUntilStopped(); });
    }
  }
  void Stop() override {
    loop_.Enter([this] {
      runtime_->Close(Error(ErrorCode::kUnavailable, "the test is over"));
      executor_->Stop();
    });
    for (std::thread& thread : threads_) thread.join();
  }
  void Enter(const std::function<void()>& step) override { loop_.Enter(step); }
  [[nodiscard]] bool RunUntil(const std::function<bool()>& done) override {
    // The loop looks again and again, between its other work, so that nobody sleeps.
    std::promise<bool> over;
    const TimePoint end = loop_.Now() + seconds(40);
    std::function<void()> look = [&] {
      if (done()) return over.set_value(true);
      if (loop_.Now() > end) return over.set_value(false);
      loop_.Schedule(std::chrono::milliseconds(1), [&] { look(); });
    };
    loop_.Enter([&] { look(); });
    return Within(over.get_future(), "a condition of the suite");
  }
  [[nodiscard]] protocol::FunctionKey Function() override {
    const internal::FunctionKey& key = internal::Recorded<Behave>::entry.key();
    protocol::FunctionKey function;
    function.set_module(key.module);
    function.set_offset(key.offset);
    function.set_name(key.name);
    return function;
  }
  [[nodiscard]] std::string Argument(Behaviour behaviour, int number) override {
    return Value(Coded(behaviour, number));
  }
  [[nodiscard]] std::string Value(int number) override {
    return BytesOf(internal::EncodeValue<int>(number).value());
  }

 private:
  const std::size_t lanes_;
  RealEventLoop loop_;
  std::optional<BlockingRuntime> runtime_;
  std::optional<ThreadExecutor> executor_;
  std::vector<std::thread> threads_;
};

// ---- the simulator's ----

class SimulatedWorld final : public ExecutorWorld {
 public:
  SimulatedWorld() {
    ResourceSet amounts;
    amounts.Set(std::string(kCpu), Amount::FromDouble(1));
    world_.capacity.AddNode(std::string(NodeId::kSize, 'n'), std::move(amounts));
    child_.set_id(world_.oracle.NewId());
    world_.oracle.AddTask(child_, {}, {}, "the child", sim::Oracle::Feasibility::kInfeasible);
  }
  [[nodiscard]] EventLoop& loop() override { return world_.loop; }
  TaskExecutor& MakeExecutor(CoreWorker& core) override {
    return executor_.emplace(world_, world_.loop, core);
  }
  void Stop() override { executor_->Stop(); }
  void Enter(const std::function<void()>& step) override { step(); }
  [[nodiscard]] bool RunUntil(const std::function<bool()>& done) override {
    return world_.loop.RunUntil(done, seconds(100));
  }
  [[nodiscard]] protocol::FunctionKey Function() override { return {}; }
  [[nodiscard]] std::string Argument(Behaviour behaviour, int number) override {
    // Its one lane meets only itself, so that is the same as an echo.
    sim::Call call;
    call.mutable_plan()->set_constant(static_cast<std::uint64_t>(number));
    call.mutable_plan()->set_time_us(100);
    if (behaviour == Behaviour::kFail) call.add_arguments(1);  // one that is not there
    if (behaviour == Behaviour::kWait) *call.mutable_plan()->add_children() = child_;
    return call.SerializeAsString();
  }
  [[nodiscard]] std::string Value(int number) override {
    return sim::EncodeValue(static_cast<std::uint64_t>(number), 0, nullptr);
  }

 private:
  sim::SimConfig config_;
  sim::World world_{config_, {.inline_bytes_max = 1000}, sim::Plant::kNone};
  sim::Plan child_;
  std::optional<sim::SimulatedExecutor> executor_;
};

TEST(TaskExecutorConformanceTest, AThreadKeepsThePromisesOfTheInterface) {
  EXPECT_THAT(ExecutorViolations([] { return std::make_unique<ThreadWorld>(1); }), IsEmpty());
}
TEST(TaskExecutorConformanceTest, ThreeThreadsKeepThePromisesOfTheInterface) {
  EXPECT_THAT(ExecutorViolations([] { return std::make_unique<ThreadWorld>(3); }), IsEmpty());
}
TEST(TaskExecutorConformanceTest, TheSimulatedOneKeepsThePromisesOfTheInterface) {
  EXPECT_THAT(ExecutorViolations([] { return std::make_unique<SimulatedWorld>(); }), IsEmpty());
}

// ---- executors that are wrong on purpose ----

/// The simplest executor, and ways to be wrong.
class PlainExecutor final : public TaskExecutor {
 public:
  enum class Fault : std::uint8_t {
    kNone,
    kInsideRun,
    kLosesOne,
    kSwaps,
    kTakesTurns,
    kNeverWaits
  };
  PlainExecutor(EventLoop& loop, CoreWorker& core, Fault fault)
      : loop_(loop), core_(core), fault_(fault) {}

  [[nodiscard]] std::size_t lane_count() const override { return 2; }
  void Run(TaskHandle task, TaskCall call) override {
    waiting_.push_back({task, std::stoi(std::string(call.arguments[0].text()))});
    if (fault_ == Fault::kInsideRun) return End();
    if (fault_ == Fault::kLosesOne && ++runs_ == 7) return waiting_.pop_back();
    loop_.Schedule(std::chrono::microseconds(10), alive_.Bind([this] { Begin(); }));
  }

 private:
  struct Waiting {
    TaskHandle task;
    int coded;
  };
  void Begin() {
    if (fault_ == Fault::kSwaps && waiting_.size() > 1) {
      std::swap(waiting_[0].coded, waiting_[1].coded);
    }
    const bool meets = waiting_.front().coded / kNumbers == static_cast<int>(Behaviour::kMeet);
    // Both lanes must have begun before one may end; one that takes turns waits for ever.
    if (meets && (waiting_.size() < 2 || fault_ == Fault::kTakesTurns)) return;
    while (!waiting_.empty()) End();
  }
  void End() {
    const Waiting ended = waiting_.front();
    waiting_.pop_front();
    const auto behaviour = static_cast<Behaviour>(ended.coded / kNumbers);
    if (behaviour == Behaviour::kWait && fault_ != Fault::kNeverWaits) {
      core_.SetBlocked(ended.task, true);
      core_.SetBlocked(ended.task, false);
    }
    if (behaviour == Behaviour::kFail || behaviour == Behaviour::kWait) {
      return core_.OnTaskFailed(ended.task, Error(ErrorCode::kTaskFailed, "as asked"));
    }
    internal::SerializedValue value;
    value.document = std::to_string(ended.coded % kNumbers);
    value.size = value.document.size();
    core_.OnResult(ended.task, 0, {.value = std::move(value)}, IsLast::kYes);
  }

  EventLoop& loop_;
  CoreWorker& core_;
  const Fault fault_;
  std::deque<Waiting> waiting_;
  int runs_ = 0;
  Lifetime alive_;
};

class PlainWorld final : public ExecutorWorld {
 public:
  explicit PlainWorld(PlainExecutor::Fault fault) : fault_(fault) {}
  [[nodiscard]] EventLoop& loop() override { return loop_; }
  TaskExecutor& MakeExecutor(CoreWorker& core) override {
    return executor_.emplace(loop_, core, fault_);
  }
  void Enter(const std::function<void()>& step) override { step(); }
  [[nodiscard]] bool RunUntil(const std::function<bool()>& done) override {
    return loop_.RunUntil(done, seconds(100));
  }
  [[nodiscard]] protocol::FunctionKey Function() override { return {}; }
  [[nodiscard]] std::string Argument(Behaviour behaviour, int number) override {
    return std::to_string(Coded(behaviour, number));
  }
  [[nodiscard]] std::string Value(int number) override { return std::to_string(number); }

 private:
  const PlainExecutor::Fault fault_;
  SimulatedEventLoop loop_{1};
  std::optional<PlainExecutor> executor_;
};

std::vector<std::string> Of(PlainExecutor::Fault fault) {
  return ExecutorViolations([fault] { return std::make_unique<PlainWorld>(fault); });
}
using Fault = PlainExecutor::Fault;

TEST(PlantedExecutorTest, TheSimplestRightOnePasses) { EXPECT_THAT(Of(Fault::kNone), IsEmpty()); }
TEST(PlantedExecutorTest, OneThatEndsATaskInsideRunIsFoundOut) {
  EXPECT_THAT(Of(Fault::kInsideRun), Contains(HasSubstr("inside Run")));
}
TEST(PlantedExecutorTest, OneThatLosesATaskIsFoundOut) {
  EXPECT_THAT(Of(Fault::kLosesOne), Contains(HasSubstr("never ended")));
}
TEST(PlantedExecutorTest, OneThatMixesUpItsLanesIsFoundOut) {
  EXPECT_THAT(Of(Fault::kSwaps), Contains(::testing::AnyOf(HasSubstr("value of another"),
                                                           HasSubstr("in another way"))));
}
TEST(PlantedExecutorTest, OneWhoseLanesTakeTurnsIsFoundOut) {
  EXPECT_THAT(Of(Fault::kTakesTurns), Contains(HasSubstr("side by side")));
}
TEST(PlantedExecutorTest, OneThatDoesNotSayThatATaskWaitsIsFoundOut) {
  EXPECT_THAT(Of(Fault::kNeverWaits), Contains(HasSubstr("did not learn")));
}

}  // namespace
}  // namespace mobula::core_worker::testing
