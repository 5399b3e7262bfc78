#include "tests/conformance/raylet/launcher_worlds.h"

#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <set>

#include "components/base/real/event_loop.h"
#include "components/base/real/file_system.h"
#include "components/base/real/process_launcher.h"
#include "components/protocol/raylet_methods.h"
#include "node/process/thread_launcher.h"
#include "node/process/zygote.h"
#include "node/process/zygote_launcher.h"
#include "node/wiring.h"
#include "sim/sim_launcher.h"
#include "tests/components/object_store/real_loop.h"

namespace mobula::raylet::conformance {
namespace {

constexpr std::string_view kStays = "test://stays";
constexpr std::string_view kEnds = "test://ends";
constexpr int kEndsWith = 3;

/// Lets workers of its node join and lends them a store. It refuses those of one job, which end.
class SmallRaylet {
 public:
  SmallRaylet(EventLoop& loop, transport::Transport& transport, const std::string& endpoint)
      : node_(loop, transport, endpoint, {}) {
    node_.table.Handle(
        protocol::kRegisterWorker, [this](auto& request, const rpc::CallContext&, auto respond) {
          if (refused.contains(WorkerId::FromBinaryOrNil(request.startup_id()))) {
            return respond(Fail(ErrorCode::kInvalidArgument, "the test refuses this worker"));
          }
          joined.insert(WorkerId::FromBinaryOrNil(request.startup_id()));
          protocol::RegisterWorkerReply reply;
          reply.set_node_id(std::string(NodeId::kSize, 'n'));
          reply.set_job_id(request.job_id());
          respond(std::move(reply));
        });
  }
  [[nodiscard]] const std::string& endpoint() const { return node_.own_endpoint; }

  std::set<WorkerId> joined;
  std::set<WorkerId> refused;

 private:
  object_store::StoreNode node_;
};

/// What every world here has.
class World : public LauncherWorld {
 public:
  [[nodiscard]] WorkerLauncher& launcher() override { return *launcher_; }
  void DestroyLauncher() override { launcher_.reset(); }
  [[nodiscard]] bool IsProcess(std::int64_t /*pid*/) const override { return false; }

 protected:
  WorkerSpec NewSpec(const JobId& job) {
    WorkerSpec spec;
    spec.startup_id = random_.NewId<WorkerId>();
    spec.job = job;
    return spec;
  }
  std::unique_ptr<WorkerLauncher> launcher_;
  Random random_{7};
};

/// On the real loop, driven by the test's own thread.
class RealWorld : public World {
 public:
  void Enter(const std::function<void()>& act) override { loop_.Enter(act); }
  [[nodiscard]] bool RunUntil(const std::function<bool()>& condition) override {
    return object_store::PollUntil(loop_, condition);
  }
  void RunReady() override {
    while (loop_.PollOnce() > 0) {
    }
  }

 protected:
  object_store::TestFolder folder_;
  RealEventLoop loop_;
};

class ZygoteWorld final : public RealWorld {
 public:
  ZygoteWorld() {
    loop_.Enter([this] {
      processes_.emplace(loop_);
      launcher_ = std::make_unique<node::ZygoteLauncher>(
          node::ZygoteLauncher::Deps{loop_, *processes_, files_, log_},
          node::ZygoteLauncher::Settings{.token = {}, .node_address = {}, .log_folder = {}});
    });
  }
  ~ZygoteWorld() override {
    loop_.Enter([this] {
      launcher_.reset();
      processes_.reset();
    });
  }
  void DestroyLauncher() override {
    loop_.Enter([this] { launcher_.reset(); });
  }
  std::optional<WorkerSpec> Spec(const JobId& job, Worker worker) override {
    WorkerSpec spec = NewSpec(job);
    spec.raylet_endpoint = worker == Worker::kEnds ? kEnds : kStays;
    spec.program.set_path(worker == Worker::kCannotStart
                              ? folder_.path() + "/none"
                              : std::filesystem::read_symlink("/proc/self/exe").string());
    return spec;
  }
  [[nodiscard]] ExitStatus ends_with() const override { return {.code = kEndsWith, .signal = 0}; }
  [[nodiscard]] bool HasBegun(const WorkerId& /*startup*/) const override { return true; }
  [[nodiscard]] bool IsProcess(std::int64_t pid) const override {
    // One that has ended and is not reaped yet still has a pid, but no executable.
    return std::filesystem::exists(fmt::format("/proc/{}/exe", pid));
  }

 private:
  EventLog log_{loop_.clock(), "test", LogLevel::kError, [](LogLevel, std::string_view) {}};
  RealFileSystem files_;
  std::optional<RealProcessLauncher> processes_;
};

class ThreadWorld final : public RealWorld {
 public:
  ThreadWorld() {
    loop_.Enter([this] {
      transports_ = std::move(*node::MakeTransports(
          loop_, {}, random_, std::make_shared<transport::HandshakeConfig>()));
      const std::string endpoint =
          node::LocalListenEndpoint(*transports_.local, folder_.path(), "127.0.0.1");
      raylet_.emplace(loop_, *transports_.local, endpoint);
      launcher_ = std::make_unique<node::ThreadLauncher>(
          loop_, node::ThreadLauncher::Settings{.token = {}, .node_address = "127.0.0.1"});
    });
  }
  ~ThreadWorld() override {
    // A thread that is joining cannot be stopped, and would wait for its raylet while we wait for
    // it.
    EXPECT_TRUE(RunUntil([&] {
      return raylet_->joined.size() + raylet_->refused.size() == specs_;
    })) << "some worker has not reached its raylet";
    launcher_.reset();
    loop_.Enter([this] { raylet_.reset(); });
  }
  std::optional<WorkerSpec> Spec(const JobId& job, Worker worker) override {
    if (worker == Worker::kCannotStart) return std::nullopt;
    ++specs_;
    WorkerSpec spec = NewSpec(job);
    spec.raylet_endpoint = raylet_->endpoint();
    if (worker == Worker::kEnds) raylet_->refused.insert(spec.startup_id);
    return spec;
  }
  [[nodiscard]] ExitStatus ends_with() const override { return {.code = 1, .signal = 0}; }
  [[nodiscard]] bool HasBegun(const WorkerId& startup) const override {
    return raylet_->joined.contains(startup);
  }

 private:
  node::Transports transports_;
  std::optional<SmallRaylet> raylet_;
  std::size_t specs_ = 0;
};

class SimulatedWorld final : public World {
 public:
  SimulatedWorld()
      : world_(config_, sim::DrawOptions(config_, 1), sim::Plant::kNone),
        raylet_loop_(world_.loop),
        transport_(world_.network.TransportFor("n0.node", raylet_loop_)),
        raylet_(raylet_loop_, *transport_, "sim://n0.node/raylet") {
    launcher_ = std::make_unique<sim::SimulatedLauncher>(world_, raylet_loop_, "n0");
  }
  ~SimulatedWorld() override {
    launcher_.reset();
    world_.loop.RunFor(std::chrono::seconds(1));
  }
  std::optional<WorkerSpec> Spec(const JobId& job, Worker worker) override {
    if (worker == Worker::kCannotStart) return std::nullopt;
    WorkerSpec spec = NewSpec(job);
    spec.raylet_endpoint = raylet_.endpoint();
    if (worker == Worker::kEnds) raylet_.refused.insert(spec.startup_id);
    return spec;
  }
  [[nodiscard]] ExitStatus ends_with() const override { return {.code = 1, .signal = 0}; }
  [[nodiscard]] bool HasBegun(const WorkerId& startup) const override {
    return raylet_.joined.contains(startup);
  }
  void Enter(const std::function<void()>& act) override { act(); }
  [[nodiscard]] bool RunUntil(const std::function<bool()>& condition) override {
    return world_.loop.RunUntil(condition, std::chrono::seconds(60));
  }
  void RunReady() override { world_.loop.RunFor(std::chrono::seconds(1)); }

 private:
  sim::SimConfig config_;
  sim::World world_;
  ScopedEventLoop raylet_loop_;
  std::unique_ptr<transport::Transport> transport_;
  SmallRaylet raylet_;
};

}  // namespace

std::unique_ptr<LauncherWorld> MakeZygoteWorld() { return std::make_unique<ZygoteWorld>(); }
std::unique_ptr<LauncherWorld> MakeThreadWorld() { return std::make_unique<ThreadWorld>(); }
std::unique_ptr<LauncherWorld> MakeSimulatedWorld() { return std::make_unique<SimulatedWorld>(); }

void RunAsZygote() {
  if (!node::IsZygote()) return;
  const node::ForkRequest request = node::RunZygote();
  if (request.raylet_endpoint() == kEnds) ::_exit(kEndsWith);
  while (true) ::pause();
}

}  // namespace mobula::raylet::conformance
