/// \file
/// \brief One host of the simulation: a raylet with its workers, and on the head its services.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "components/raylet/raylet.h"
#include "node/gcs_service.h"
#include "node/head_service.h"
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
  /// Runs if the raylet must end, or a service of the head failed.
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
  SimulatedNode(World& world, std::string host, bool is_head, ResourceSet resources);
  Result<void> Build();
  [[nodiscard]] std::string Endpoint(std::string_view what) const {
    return "sim://" + process_ + "/" + std::string(what);
  }

  World& world_;
  const std::string host_;
  const std::string process_;
  const bool is_head_;
  const ResourceSet resources_;
  ScopedEventLoop loop_;
  std::unique_ptr<transport::Transport> transport_;
  Random random_;
  EventLog log_;
  Metrics metrics_;
  SimulatedFileSystem files_;
  std::unique_ptr<object_store::ObjectStore> store_;
  std::unique_ptr<scheduler::Scheduler> scheduler_;
  SimulatedBackgroundThread writer_{loop_};
  node::HeadServices services_;      // empty unless this is the head
  node::GcsService* gcs_ = nullptr;  // the one of `services_`
  std::optional<rpc::ClientPool> peers_;
  std::optional<gcs::GcsClient> gcs_client_;
  std::optional<SimulatedLauncher> launcher_;
  std::optional<raylet::Raylet> raylet_;
};

}  // namespace mobula::sim
