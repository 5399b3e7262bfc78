/// \file
/// \brief One host of the simulation: a node with its workers, and on the head its services.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "components/raylet/assembly/node_assembly.h"
#include "node/gcs_service.h"
#include "sim/sim_launcher.h"
#include "sim/simulated_background_thread.h"
#include "sim/simulated_file_system.h"

namespace mobula::sim {

/// Threads: one. Lifetime: the world outlives it.
class SimulatedNode {
 public:
  /// \param host "n0", never used before. The first node is the head. kInvalidArgument: the
  ///        configuration of store or scheduler.
  [[nodiscard]] static Result<std::unique_ptr<SimulatedNode>> Make(World& world, std::string host,
                                                                   bool is_head,
                                                                   ResourceSet resources);
  ~SimulatedNode();

  void Start(Done<void> joined);
  /// Runs once if the node must end: its raylet is fenced, or a service of the head has failed.
  void OnMustExit(std::function<void(const Error&)> callback);
  /// The host loses power: nothing of it acts any more. Destroy it by a later event.
  void Kill();

  [[nodiscard]] const std::string& host() const { return host_; }
  [[nodiscard]] const ResourceSet& resources() const { return resources_; }
  [[nodiscard]] std::string local_endpoint() const { return Endpoint("local"); }
  [[nodiscard]] const SimulatedLauncher& launcher() const { return *launcher_; }
  [[nodiscard]] SimulatedLauncher& launcher() { return *launcher_; }
  void CheckInvariants() const;
  /// \return what is left of finished work, as text; empty if nothing.
  [[nodiscard]] std::string Leftovers() const;
  /// \return processes that should have ended with their job, as text.
  [[nodiscard]] std::string LeftProcesses() const;

  static constexpr std::string_view kGcsEndpoint = "sim://n0.node/gcs";

 private:
  SimulatedNode(World& world, std::string host, ResourceSet resources);
  Result<void> Assemble(bool is_head);
  Result<void> AddHeadServices();
  [[nodiscard]] std::string Endpoint(std::string_view what) const {
    return "sim://" + process_ + "/" + std::string(what);
  }

  World& world_;
  const std::string host_;
  const std::string process_;
  const ResourceSet resources_;
  ScopedEventLoop loop_;
  std::unique_ptr<transport::Transport> transport_;
  Random random_;
  EventLog log_;
  Metrics metrics_;
  SimulatedFileSystem files_;
  SimulatedBackgroundThread writer_{loop_};
  std::optional<SimulatedLauncher> launcher_;
  node::GcsService* gcs_ = nullptr;  // the one of the head's services; null elsewhere
  std::unique_ptr<raylet::NodeAssembly> node_;
};

}  // namespace mobula::sim
