#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "components/base/lifetime.h"
#include "components/base/random.h"
#include "components/base/simulated/event_loop.h"
#include "tests/conformance/cited.h"
#include "tests/conformance/raylet/launcher_worlds.h"

namespace mobula::raylet::conformance {
namespace {

struct Kind {
  const char* name;
  std::unique_ptr<LauncherWorld> (*make)();
};

class WorkerLauncherConformanceTest
    : public testing::TestWithParam<std::tuple<Kind, LauncherCheck>> {};

TEST_P(WorkerLauncherConformanceTest, KeepsThePromise) {
  const auto& [kind, check] = GetParam();
  const auto violation = check.run(*kind.make());
  EXPECT_FALSE(violation) << "broken: \"" << check.promise << "\": " << *violation;
}

INSTANTIATE_TEST_SUITE_P(All, WorkerLauncherConformanceTest,
                         testing::Combine(testing::Values(Kind{"zygote", MakeZygoteWorld},
                                                          Kind{"thread", MakeThreadWorld},
                                                          Kind{"simulated", MakeSimulatedWorld}),
                                          testing::ValuesIn(LauncherChecks())),
                         [](const auto& info) {
                           return fmt::format("{}_{}", std::get<0>(info.param).name,
                                              std::get<1>(info.param).name);
                         });

TEST(WorkerLauncherConformanceSuiteTest, CitesTheHeader) {
  for (const LauncherCheck& check : LauncherChecks()) {
    EXPECT_TRUE(
        mobula::conformance::HeaderSays("components/raylet/worker_launcher.h", check.promise))
        << check.promise;
  }
}

/// Workers that are numbers. A right launcher; each wrong one spoils one call.
class PlainLauncher : public WorkerLauncher {
 public:
  explicit PlainLauncher(EventLoop& loop) : loop_(loop) {}

  void Start(WorkerSpec spec, Done<std::int64_t> started, OnExit on_exit) override {
    if (spec.program.path().empty()) {
      return loop_.Post(alive_.Bind([started = std::move(started)]() mutable {
        started(Fail(ErrorCode::kNotFound, "no program"));
      }));
    }
    const std::int64_t pid = ++last_pid_;
    alive_workers_.emplace(pid, Worker{spec.job, std::move(on_exit)});
    loop_.Post(alive_.Bind(
        [this, pid, ends = spec.program.path() == "ends", started = std::move(started)]() mutable {
          started(pid);
          if (ends) End(pid, {.code = 4, .signal = 0});
        }));
  }
  void Kill(std::int64_t pid) override { End(pid, {.code = 0, .signal = SIGKILL}); }
  void EndJob(const JobId& job) override {
    std::vector<std::int64_t> ending;
    for (const auto& [pid, worker] : alive_workers_) {
      if (worker.job == job) ending.push_back(pid);
    }
    for (const std::int64_t pid : ending) Kill(pid);
  }

 protected:
  struct Worker {
    JobId job;
    OnExit on_exit;
  };
  virtual void End(std::int64_t pid, ExitStatus status) {
    auto worker = alive_workers_.extract(pid);
    if (worker.empty()) return;
    loop_.Post(alive_.Bind(
        [status, tell = std::move(worker.mapped().on_exit)]() mutable { tell(status); }));
  }

  EventLoop& loop_;
  std::int64_t last_pid_ = 0;
  std::map<std::int64_t, Worker> alive_workers_;
  Lifetime alive_;
};

/// Tells the end while it is being killed.
class HastyLauncher final : public PlainLauncher {
 public:
  using PlainLauncher::PlainLauncher;

 protected:
  void End(std::int64_t pid, ExitStatus status) override {
    auto worker = alive_workers_.extract(pid);
    if (!worker.empty()) worker.mapped().on_exit(status);
  }
};

/// Tells an end again each time somebody kills.
class ForgetfulLauncher final : public PlainLauncher {
 public:
  using PlainLauncher::PlainLauncher;

 protected:
  void End(std::int64_t pid, ExitStatus status) override {
    const auto it = alive_workers_.find(pid);
    if (it == alive_workers_.end()) return;
    loop_.Post(alive_.Bind([this, pid, status] { alive_workers_.at(pid).on_exit(status); }));
  }
};

/// Takes every end for a good one.
class PoliteLauncher final : public PlainLauncher {
 public:
  using PlainLauncher::PlainLauncher;

 protected:
  void End(std::int64_t pid, ExitStatus /*status*/) override {
    PlainLauncher::End(pid, {.code = 0, .signal = 0});
  }
};

/// Ends somebody, whatever it was told.
class BlindLauncher final : public PlainLauncher {
 public:
  using PlainLauncher::PlainLauncher;
  void Kill(std::int64_t pid) override {
    const bool is_known = alive_workers_.contains(pid) || alive_workers_.empty();
    PlainLauncher::Kill(is_known ? pid : alive_workers_.begin()->first);
  }
};

/// Ends the workers of all jobs.
class RoughLauncher final : public PlainLauncher {
 public:
  using PlainLauncher::PlainLauncher;
  void EndJob(const JobId& /*job*/) override {
    while (!alive_workers_.empty()) Kill(alive_workers_.begin()->first);
  }
};

/// Ends only the first worker of a job.
class LazyLauncher final : public PlainLauncher {
 public:
  using PlainLauncher::PlainLauncher;
  void EndJob(const JobId& job) override {
    for (const auto& [pid, worker] : alive_workers_) {
      if (worker.job == job) return Kill(pid);
    }
  }
};

/// Tells of its workers' ends on its own way out.
class TalkativeLauncher final : public PlainLauncher {
 public:
  using PlainLauncher::PlainLauncher;
  ~TalkativeLauncher() override {
    for (auto& [pid, worker] : alive_workers_) worker.on_exit({.code = 0, .signal = SIGKILL});
  }
};

/// Says that a worker has started, and then that it could not.
class UnsureLauncher final : public PlainLauncher {
 public:
  using PlainLauncher::PlainLauncher;
  void Start(WorkerSpec spec, Done<std::int64_t> started, OnExit on_exit) override {
    auto shared = std::make_shared<Done<std::int64_t>>(std::move(started));
    PlainLauncher::Start(
        std::move(spec), [shared](Result<std::int64_t> pid) { (*shared)(std::move(pid)); },
        std::move(on_exit));
    loop_.Post(alive_.Bind([shared] { (*shared)(Fail(ErrorCode::kInternal, "or not")); }));
  }
};

template <typename Launcher>
class PlainWorld final : public LauncherWorld {
 public:
  WorkerLauncher& launcher() override { return *launcher_; }
  void DestroyLauncher() override { launcher_.reset(); }
  std::optional<WorkerSpec> Spec(const JobId& job, Worker worker) override {
    WorkerSpec spec;
    spec.startup_id = random_.NewId<WorkerId>();
    spec.job = job;
    if (worker == Worker::kStays) spec.program.set_path("stays");
    if (worker == Worker::kEnds) spec.program.set_path("ends");
    return spec;
  }
  [[nodiscard]] ExitStatus ends_with() const override { return {.code = 4, .signal = 0}; }
  [[nodiscard]] bool HasBegun(const WorkerId& /*startup*/) const override { return true; }
  [[nodiscard]] bool IsProcess(std::int64_t /*pid*/) const override { return false; }
  void Enter(const std::function<void()>& act) override { act(); }
  [[nodiscard]] bool RunUntil(const std::function<bool()>& condition) override {
    return loop_.RunUntil(condition, std::chrono::seconds(1));
  }
  void RunReady() override { loop_.RunFor(std::chrono::seconds(1)); }

 private:
  SimulatedEventLoop loop_{1};
  Random random_{1};
  std::unique_ptr<Launcher> launcher_ = std::make_unique<Launcher>(loop_);
};

template <typename Launcher>
std::vector<std::string> ChecksThatReject() {
  std::vector<std::string> names;
  for (const LauncherCheck& check : LauncherChecks()) {
    PlainWorld<Launcher> world;
    if (check.run(world)) names.emplace_back(check.name);
  }
  return names;
}

TEST(WorkerLauncherConformanceSuiteTest, RejectsWrongLaunchers) {
  using testing::Contains;
  EXPECT_THAT(ChecksThatReject<PlainLauncher>(), testing::IsEmpty());
  EXPECT_THAT(ChecksThatReject<HastyLauncher>(), Contains("NoCallbackRunsInsideACall"));
  EXPECT_THAT(ChecksThatReject<ForgetfulLauncher>(), Contains("AKilledWorkerEndsOnceWithSignal9"));
  EXPECT_THAT(ChecksThatReject<PoliteLauncher>(), Contains("AnEndIsToldOnceAsItWas"));
  EXPECT_THAT(ChecksThatReject<BlindLauncher>(), Contains("KillingTheUnknownEndsNobody"));
  EXPECT_THAT(ChecksThatReject<RoughLauncher>(), Contains("EndingAJobEndsAllOfItAndNothingElse"));
  EXPECT_THAT(ChecksThatReject<LazyLauncher>(), Contains("EndingAJobEndsAllOfItAndNothingElse"));
  EXPECT_THAT(ChecksThatReject<TalkativeLauncher>(),
              Contains("WhatIsAliveDiesWithTheLauncherAndIsNotTold"));
  EXPECT_THAT(ChecksThatReject<UnsureLauncher>(), Contains("EachStartIsToldWithAPidOfItsOwn"));
}

}  // namespace
}  // namespace mobula::raylet::conformance

// Workers of the zygote launcher are this executable.
int main(int argc, char** argv) {
  mobula::raylet::conformance::RunAsZygote();
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
