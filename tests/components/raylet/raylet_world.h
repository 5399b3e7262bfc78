/// \file
/// \brief One raylet with its GCS in one thread on virtual time; its processes do as the test says.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "components/base/simulated/event_loop.h"
#include "components/protocol/raylet.pb.h"
#include "components/raylet/assembly/node_assembly.h"
#include "components/transport/inprocess/inprocess_transport.h"
#include "node/gcs_service.h"
#include "sim/simulated_background_thread.h"
#include "sim/simulated_file_system.h"

namespace mobula::raylet::testing {

class World;

/// A driver or worker, or an owner on another node: a connection to the raylet and an address.
class Process {
 public:
  using Answer = std::optional<Result<protocol::RequestLeaseReply>>;
  Process(World& world, const NodeId& node);

  Result<protocol::RegisterWorkerReply> Register(bool is_driver, const JobId& job,
                                                 const WorkerId& startup);
  /// Asks for a lease. \return where the answer will be.
  std::shared_ptr<Answer> RequestLease(const JobId& job, const ResourceSet& resources);
  std::shared_ptr<Answer> RequestLease(const JobId& job, const ResourceSet& resources,
                                       const protocol::SchedulingStrategy& strategy);
  void SetBlocked(bool blocked);
  /// Loses the connection and makes another.
  void Reconnect();
  [[nodiscard]] WorkerId id() const { return WorkerId::FromBinaryOrNil(address.worker_id()); }

  World& world;
  protocol::Address address;
  rpc::ServiceTable services;
  std::vector<protocol::ReclaimLeasesRequest> reclaims;
  std::optional<rpc::Client> client;
};

/// Starts workers as told.
class Launcher final : public WorkerLauncher {
 public:
  enum class Starts : std::uint8_t {
    kRegister,  ///< And they are there at once.
    kHang,      ///< The pid is known, and nothing follows.
    kSilent,    ///< Not even a pid comes: the zygote hangs.
  };
  explicit Launcher(World& world) : world_(world) {}

  void Start(WorkerSpec spec, std::move_only_function<void(Result<std::int64_t>)> started,
             OnExit on_exit) override;
  void Kill(std::int64_t pid) override;
  void EndJob(const JobId& job) override;
  /// The zygote wakes: those that were silent get their pids.
  void Wake();
  /// The zygote ends, and with it those that were silent.
  void Die();

  Starts starts = Starts::kRegister;
  std::size_t start_count = 0;
  WorkerId last_started;
  struct Worker {
    JobId job;
    OnExit on_exit;
    std::string log_path;
    WorkerId startup_id;
    std::unique_ptr<Process> process;  ///< Null while it has not registered.
  };
  std::map<std::int64_t, Worker> alive;  ///< By pid.

 private:
  struct Silent {
    WorkerSpec spec;
    std::move_only_function<void(Result<std::int64_t>)> started;
    OnExit on_exit;
  };
  World& world_;
  std::int64_t last_pid_ = 100;
  std::vector<Silent> silent_;
  Lifetime bound_;
};

/// A worker node, and a GCS that outlives it.
class World {
 public:
  explicit World(ResourceSet resources);
  ~World();

  /// Ends the node and begins another with the `config` of now.
  void Restart();
  /// A node on this world's loop, transport and launcher, not started.
  Result<std::unique_ptr<NodeAssembly>> Assemble(NodeOptions options);
  /// A driver of this node with its job; `job` is told.
  std::unique_ptr<Process> AddDriver(JobId& job);
  /// Some process that has registered nowhere here.
  std::unique_ptr<Process> AddStranger(const NodeId& node);
  /// Another node, of which only the GCS knows.
  std::unique_ptr<gcs::GcsClient> AddNode(const NodeId& node, const ResourceSet& resources = {});
  /// The same with only `available` of it free. A later call with its client reports other amounts.
  std::unique_ptr<gcs::GcsClient> AddBusyNode(const NodeId& node, const ResourceSet& total,
                                              const ResourceSet& available);
  void Report(gcs::GcsClient& client, const ResourceSet& total, const ResourceSet& available);
  /// Runs until there is an answer. \return it.
  protocol::RequestLeaseReply Granted(const std::shared_ptr<Process::Answer>& answer);
  [[nodiscard]] Process& WorkerOf(const protocol::Grant& grant);
  void RunFor(Duration time) { loop.RunFor(time); }

  static constexpr std::string_view kGcs = "inproc://gcs";
  static constexpr std::string_view kLocal = "inproc://local";
  SimulatedEventLoop loop{1};
  Random random{1};
  std::unique_ptr<transport::Transport> transport;
  EventLog log;
  Metrics metrics;
  sim::SimulatedFileSystem files;
  sim::SimulatedBackgroundThread writer{loop};
  std::optional<node::GcsService> gcs_service;
  std::optional<gcs::GcsClient> gcs;  // to look at what the GCS knows, as `mobula status` does
  Launcher launcher;
  RayletConfig config;
  std::unique_ptr<NodeAssembly> node;
};

}  // namespace mobula::raylet::testing
