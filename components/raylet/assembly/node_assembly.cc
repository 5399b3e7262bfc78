#include "components/raylet/assembly/node_assembly.h"

#include <utility>

#include "components/scheduler/registration.h"

namespace mobula::raylet {

Result<std::unique_ptr<scheduler::Scheduler>> MakeScheduler(const ConfigValue& config,
                                                            scheduler::NodeView local,
                                                            const Random& random) {
  const Kinds<scheduler::SchedulingPolicy> policies = scheduler::BuiltInPolicies();
  return scheduler::BuiltInSchedulers().Make(
      config, "scheduler", scheduler::kUsualScheduler,
      {.policies = policies, .local = std::move(local), .random = random});
}

Result<std::unique_ptr<NodeAssembly>> NodeAssembly::Make(Deps deps, NodeOptions options) {
  // What may be wrong in the configuration is made first, before anything listens or is started.
  Result<object_store::StoreParts> parts = object_store::MakeStore(options.object_store);
  if (!parts) return Fail(std::move(parts.error()));
  options.raylet.creates = parts->creates;
  options.raylet.pulls = parts->pulls;

  // A scheduler begins with a cluster of one node, its own, of which nothing is taken yet.
  scheduler::NodeView local;
  local.id = options.raylet.node_id;
  local.total = local.available = options.raylet.resources;
  local.labels = {options.raylet.labels.begin(), options.raylet.labels.end()};
  Result<std::unique_ptr<scheduler::Scheduler>> scheduler =
      MakeScheduler(options.scheduler, std::move(local), deps.host.random.Fork("scheduler"));
  if (!scheduler) return Fail(std::move(scheduler.error()));
  return std::unique_ptr<NodeAssembly>(new NodeAssembly(std::move(deps), std::move(options),
                                                        std::move(*parts), std::move(*scheduler)));
}

NodeAssembly::NodeAssembly(Deps deps, NodeOptions options, object_store::StoreParts parts,
                           std::unique_ptr<scheduler::Scheduler> scheduler)
    : deps_(std::move(deps)),
      options_(std::move(options)),
      parts_(std::move(parts)),
      scheduler_(std::move(scheduler)),
      peers_(deps_.host.loop, deps_.transport_for, deps_.host.random.Fork("peers"),
             rpc::ClientOptions()) {}

void NodeAssembly::Start(Done<void> joined) {
  joined_ = std::move(joined);
  // A service may fail while a later one still starts, so this stands before the start.
  services_.OnFailed(alive_.Bind([this](const Error& why) { MustExit(why); }));
  services_.Start(alive_.Bind([this](Result<void> ready) {
    if (!ready) return FinishStart(std::move(ready));
    Join();
  }));
}

// Only now is it known where the GCS listens. On the head its service has just said so; on a worker
// node the configuration did. From here on the two are alike.
void NodeAssembly::Join() {
  gcs_.emplace(deps_.host.loop, deps_.cluster_transport, deps_.gcs_endpoint(),
               deps_.host.random.Fork("gcs_client"), options_.to_gcs);
  Host host = deps_.host;
  host.random = deps_.host.random.Fork("raylet");
  const Network network{deps_.cluster_transport, deps_.local_transport, peers_, *gcs_};
  const Parts parts{*parts_.store, *scheduler_, deps_.launcher};
  raylet_.emplace(
      Raylet::Deps{std::move(host), network, parts, [this](const Error& why) { MustExit(why); }},
      options_.raylet);
  raylet_->Start([this](Result<void> joined) {
    has_joined_ = joined.has_value();
    FinishStart(std::move(joined));
  });
}

void NodeAssembly::FinishStart(Result<void> outcome) {
  if (auto joined = std::exchange(joined_, nullptr)) joined(std::move(outcome));
}

// The first reason counts. Those that follow from it, such as a raylet that then loses the GCS of
// its own head, say nothing new. While the node starts, the reason is also the answer of `Start`.
void NodeAssembly::MustExit(const Error& why) {
  if (must_exit_) return;
  must_exit_ = why;
  deps_.host.log.Error("node", "must_exit", "reason=\"{}\"", why.ToString());
  FinishStart(Fail(Error(why)));
  if (on_must_exit_) on_must_exit_(why);
}

// Its owner may ask after the start, when the node has failed already; it is told at once then.
void NodeAssembly::OnMustExit(std::function<void(const Error&)> callback) {
  on_must_exit_ = std::move(callback);
  if (must_exit_ && on_must_exit_) on_must_exit_(*must_exit_);
}

void NodeAssembly::Leave(std::string reason, std::move_only_function<void()> left) {
  // A node that must exit is fenced or has nobody to tell. One that never joined has no news.
  if (!has_joined_ || must_exit_) return left();
  raylet_->Leave(std::move(reason), std::move(left));
}

// The reverse of the start. The raylet goes first and takes its workers along. The services end
// after its connection to the GCS, so it does not mistake their end for the loss of the head.
void NodeAssembly::Stop() {
  alive_.End();
  if (raylet_) raylet_->Stop();
  if (gcs_) gcs_->Stop();
  services_.Stop();
  peers_.Stop();
}

}  // namespace mobula::raylet
