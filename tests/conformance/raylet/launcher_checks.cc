#include "tests/conformance/raylet/launcher_checks.h"

#include <csignal>
#include <set>

#include "components/base/random.h"

namespace mobula::raylet::conformance {
namespace {

using Violation = std::optional<std::string>;
using Worker = LauncherWorld::Worker;

JobId Job(char letter) { return JobId::FromBinaryOrNil(std::string(JobId::kSize, letter)); }

/// What was told of one start. It outlives the launcher, to see what comes too late.
struct Told {
  WorkerId startup;
  std::optional<Result<std::int64_t>> started;
  std::optional<ExitStatus> ended;
  std::string broken;  ///< A rule that holds for every start, in words.
};

/// Starts workers, and watches what holds for all of them.
class Watch {
 public:
  explicit Watch(LauncherWorld& world) : world_(world) {}

  std::shared_ptr<Told> Start(char job, Worker worker = Worker::kStays) {
    auto told = std::make_shared<Told>();
    told_.push_back(told);
    WorkerSpec spec = *world_.Spec(Job(job), worker);
    told->startup = spec.startup_id;
    Call([&] {
      world_.launcher().Start(
          std::move(spec),
          [told, is_inside = is_inside_](Result<std::int64_t> pid) {
            if (told->started) told->broken = "a start was told twice";
            if (told->ended) told->broken = "an end was told before its start";
            if (*is_inside) told->broken = "a start was told inside a call";
            told->started = std::move(pid);
          },
          [told, is_inside = is_inside_](ExitStatus status) {
            if (told->ended) told->broken = "an end was told twice";
            if (!told->started) told->broken = "an end was told before its start";
            if (told->started && !*told->started) told->broken = "what never started has ended";
            if (*is_inside) told->broken = "an end was told inside a call";
            told->ended = status;
          });
    });
    return told;
  }
  /// The same, and waits until the worker is there.
  std::shared_ptr<Told> Begin(char job) {
    auto told = Start(job);
    Await([&] { return told->started && (!*told->started || world_.HasBegun(told->startup)); },
          "the start of a worker");
    if (told->started && !*told->started) broken_ = (*told->started).error().ToString();
    return told;
  }
  void Kill(std::int64_t pid) {
    Call([&] { world_.launcher().Kill(pid); });
  }
  void Kill(const Told& told) {
    if (told.started && *told.started) Kill(**told.started);
  }
  void EndJob(char job) {
    Call([&] { world_.launcher().EndJob(Job(job)); });
  }
  void AwaitEnd(const Told& told) {
    Await([&] { return told.ended.has_value(); }, "the end of a worker");
  }
  void Await(const std::function<bool()>& condition, std::string_view what) {
    if (broken_.empty() && !world_.RunUntil(condition))
      broken_ = fmt::format("{} is never told", what);
  }
  /// Another worker comes and goes, so that all that was on its way has arrived.
  void Drain() {
    const auto last = Begin('z');
    Kill(*last);
    AwaitEnd(*last);
  }
  /// \return what is wrong with any of the starts.
  Violation Broken() const {
    if (!broken_.empty()) return broken_;
    for (const auto& told : told_) {
      if (!told->broken.empty()) return told->broken;
    }
    return {};
  }

 private:
  void Call(const std::function<void()>& act) {
    world_.Enter([&] {
      *is_inside_ = true;
      act();
      *is_inside_ = false;
    });
  }

  LauncherWorld& world_;
  std::shared_ptr<bool> is_inside_ = std::make_shared<bool>(false);  // callbacks may outlive us
  std::vector<std::shared_ptr<Told>> told_;
  std::string broken_;
};

bool IsKilled(const Told& told) { return told.ended && told.ended->signal == SIGKILL; }

Violation EachStartIsToldWithAPidOfItsOwn(LauncherWorld& world) {
  Watch watch(world);
  std::set<std::int64_t> pids;
  for (int i = 0; i < 4; ++i) {
    const auto told = watch.Begin('a');
    if (auto broken = watch.Broken()) return broken;
    pids.insert(**told->started);
  }
  if (*pids.begin() <= 0) return "a pid is not positive";
  if (pids.size() < 4) return "two workers have the same pid";
  return {};
}

Violation NoCallbackRunsInsideACall(LauncherWorld& world) {
  Watch watch(world);
  const auto first = watch.Begin('a');
  const auto second = watch.Begin('a');
  watch.Kill(*first);
  watch.AwaitEnd(*first);
  watch.EndJob('a');
  watch.AwaitEnd(*second);
  return watch.Broken();
}

Violation WhatCannotBeStartedDoesNotEnd(LauncherWorld& world) {
  if (!world.Spec(Job('a'), Worker::kCannotStart)) return {};
  Watch watch(world);
  const auto told = watch.Start('a', Worker::kCannotStart);
  watch.Await([&] { return told->started.has_value(); }, "a failed start");
  watch.Drain();
  if (auto broken = watch.Broken()) return broken;
  if (*told->started) return "a worker without a program has started";
  if ((*told->started).error().code() != ErrorCode::kNotFound) return "not with kNotFound";
  return {};
}

Violation AnEndIsToldOnceAsItWas(LauncherWorld& world) {
  Watch watch(world);
  const auto told = watch.Start('a', Worker::kEnds);
  watch.AwaitEnd(*told);
  watch.Kill(*told);  // too late
  watch.Drain();
  if (auto broken = watch.Broken()) return broken;
  if (told->ended->ToString() != world.ends_with().ToString()) {
    return fmt::format("it ended with {}, not {}", told->ended->ToString(),
                       world.ends_with().ToString());
  }
  return {};
}

Violation AKilledWorkerEndsOnceWithSignal9(LauncherWorld& world) {
  Watch watch(world);
  const auto told = watch.Begin('a');
  watch.Kill(*told);
  watch.Kill(*told);
  watch.AwaitEnd(*told);
  watch.Kill(*told);
  watch.Drain();
  if (auto broken = watch.Broken()) return broken;
  if (!IsKilled(*told)) return "a killed worker ended with " + told->ended->ToString();
  return {};
}

Violation KillingTheUnknownEndsNobody(LauncherWorld& world) {
  Watch watch(world);
  const auto told = watch.Begin('a');
  watch.Kill(1'000'000'007);
  watch.EndJob('u');
  watch.Drain();
  if (auto broken = watch.Broken()) return broken;
  if (told->ended) return "a worker ended that nobody has killed";
  return {};
}

Violation EndingAJobEndsAllOfItAndNothingElse(LauncherWorld& world) {
  Watch watch(world);
  const auto first = watch.Begin('a');
  const auto second = watch.Begin('a');
  const auto other = watch.Begin('b');
  watch.EndJob('a');
  watch.AwaitEnd(*first);
  watch.AwaitEnd(*second);
  watch.EndJob('a');
  watch.Drain();
  if (auto broken = watch.Broken()) return broken;
  if (!IsKilled(*first) || !IsKilled(*second)) return "it was not ended by force";
  if (other->ended) return "a worker of another job ended";
  return {};
}

Violation EndingAJobEndsWhatIsStarting(LauncherWorld& world) {
  Watch watch(world);
  const auto told = watch.Start('a');
  watch.EndJob('a');
  watch.Await([&] { return told->ended || (told->started && !*told->started); },
              "the end of a worker that was starting");
  watch.Drain();
  if (auto broken = watch.Broken()) return broken;
  if (!*told->started && (*told->started).error().code() != ErrorCode::kCancelled) {
    return "its start failed, but not with kCancelled";
  }
  return {};
}

Violation WhatIsAliveDiesWithTheLauncherAndIsNotTold(LauncherWorld& world) {
  Watch watch(world);
  const auto lives = watch.Begin('a');
  const auto killed = watch.Begin('b');
  if (auto broken = watch.Broken()) return broken;
  watch.Kill(*killed);
  world.DestroyLauncher();
  watch.Await([&] { return !world.IsProcess(**lives->started); }, "that its process is gone");
  world.RunReady();
  if (lives->ended || killed->ended) return "an end was told after the launcher was gone";
  return watch.Broken();
}

}  // namespace

const std::vector<LauncherCheck>& LauncherChecks() {
  static const std::vector<LauncherCheck> checks = {
      {"EachStartIsToldWithAPidOfItsOwn",
       "Its pid is positive and differs from those of all workers that are alive here.",
       EachStartIsToldWithAPidOfItsOwn},
      {"NoCallbackRunsInsideACall", "No callback runs inside the call that causes it",
       NoCallbackRunsInsideACall},
      {"WhatCannotBeStartedDoesNotEnd", "kNotFound if there is no such program;",
       WhatCannotBeStartedDoesNotEnd},
      {"AnEndIsToldOnceAsItWas", "How a worker ended: the status with which it really did.",
       AnEndIsToldOnceAsItWas},
      {"AKilledWorkerEndsOnceWithSignal9", "Ends a worker by force: it ends with signal 9.",
       AKilledWorkerEndsOnceWithSignal9},
      {"KillingTheUnknownEndsNobody", "Unknown pids are fine, and so is doing it twice.",
       KillingTheUnknownEndsNobody},
      {"EndingAJobEndsAllOfItAndNothingElse", "Unknown jobs are fine, and so is doing it twice.",
       EndingAJobEndsAllOfItAndNothingElse},
      {"EndingAJobEndsWhatIsStarting", "kCancelled if its job was ended before it had started;",
       EndingAJobEndsWhatIsStarting},
      {"WhatIsAliveDiesWithTheLauncherAndIsNotTold",
       "callbacks that have not run by then never do.", WhatIsAliveDiesWithTheLauncherAndIsNotTold},
  };
  return checks;
}

}  // namespace mobula::raylet::conformance
