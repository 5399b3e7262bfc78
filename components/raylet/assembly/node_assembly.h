/// \file
/// \brief A raylet with everything around it: how every node is put together.
///
/// A raylet needs a store and a scheduler, connections to its peers and to the GCS, and on the head
/// the services that all nodes rely on. Real nodes, the simulator and tests get all of that here,
/// in one order, so that what the simulator finds is true of real nodes:
///
///     made ──Start──► services serve ──► raylet listens ──► joined ──Leave──► left ──Stop──► over
///                           └──────────────────┴───────────────┴─► must exit
///
/// The services come first, because the raylet of the head joins the GCS as every other one does.
/// They end last, so that this raylet can still say that it leaves. What differs between users is
/// handed in: the host's seams, the transports, how workers are started, the head's services.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "components/base/config_value.h"
#include "components/object_store/store_parts.h"
#include "components/raylet/assembly/head_service.h"
#include "components/raylet/raylet.h"

namespace mobula::raylet {

/// What `scheduler:` describes. \param local this node with all that it has.
[[nodiscard]] Result<std::unique_ptr<scheduler::Scheduler>> MakeScheduler(const ConfigValue& config,
                                                                          scheduler::NodeView local,
                                                                          const Random& random);

/// What a node is by its configuration.
struct NodeOptions {
  RayletConfig raylet;  ///< `creates` and `pulls` are read from `object_store`.
  ConfigValue object_store;
  ConfigValue scheduler;
  rpc::ClientOptions to_gcs;  ///< How long the GCS may be away.
};

/// Threads: the state lock. Lifetime: everything in `Deps` outlives it.
class NodeAssembly {
 public:
  struct Deps {
    Host host;
    transport::Transport& cluster_transport;  ///< For other nodes and the GCS.
    transport::Transport& local_transport;    ///< For this node's processes.
    /// \return the transport for an endpoint by its scheme; null: unknown scheme.
    std::function<transport::Transport*(std::string_view endpoint)> transport_for;
    WorkerLauncher& launcher;
    /// Asked once the services serve: on the head, the GCS is one of them and may take any port.
    std::function<std::string()> gcs_endpoint;
  };

  /// Makes the store and the scheduler. kInvalidArgument: the configuration of one of them.
  [[nodiscard]] static Result<std::unique_ptr<NodeAssembly>> Make(Deps deps, NodeOptions options);
  ~NodeAssembly() { Stop(); }
  NodeAssembly(const NodeAssembly&) = delete;

  /// What only a head runs; empty elsewhere. \pre `Start` has not been called.
  [[nodiscard]] HeadServices& services() { return services_; }
  /// Starts the services, then the raylet, once. `joined` runs when the GCS has accepted this node,
  /// or with the first error; after `Stop` it does not run.
  void Start(Done<void> joined);
  /// Runs once, now or later, if the node cannot go on: it is fenced, the GCS is gone for good, or
  /// a service of the head has failed.
  void OnMustExit(std::function<void(const Error&)> callback);
  /// Tells the GCS that this node ends on purpose. `left` runs when the GCS knows, when it has not
  /// answered in time, or at once if there is nobody to tell.
  void Leave(std::string reason, std::move_only_function<void()> left);
  /// Ends the workers, closes all connections, then ends the services. Twice is harmless.
  void Stop();

  /// \return null before the services serve.
  [[nodiscard]] const Raylet* raylet() const { return raylet_ ? &*raylet_ : nullptr; }
  [[nodiscard]] object_store::ObjectStore& store() { return *parts_.store; }
  [[nodiscard]] const scheduler::Scheduler& scheduler() const { return *scheduler_; }

 private:
  NodeAssembly(Deps deps, NodeOptions options, object_store::StoreParts parts,
               std::unique_ptr<scheduler::Scheduler> scheduler);
  void Join();
  void FinishStart(Result<void> outcome);
  void MustExit(const Error& why);

  Deps deps_;
  NodeOptions options_;
  object_store::StoreParts parts_;
  std::unique_ptr<scheduler::Scheduler> scheduler_;
  rpc::ClientPool peers_;
  HeadServices services_;
  std::optional<gcs::GcsClient> gcs_;  // since the services serve, as `raylet_`
  std::optional<Raylet> raylet_;
  Done<void> joined_;  // of `Start`, until it was called
  bool has_joined_ = false;
  std::function<void(const Error&)> on_must_exit_;
  std::optional<Error> must_exit_;  // why, once it must
  Lifetime alive_;
};

}  // namespace mobula::raylet
