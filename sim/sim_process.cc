#include "sim/sim_process.h"

namespace mobula::sim {

using core_worker::AssemblyOptions;
using core_worker::CoreWorker;
using core_worker::CoreWorkerAssembly;

SimulatedProcess::SimulatedProcess(World& world, std::string name, AssemblyOptions options)
    : world_(world),
      name_(std::move(name)),
      loop_(world.loop),
      transport_(world.network.TransportFor(name_, loop_)),
      log_(loop_.clock(), name_, LogLevel::kInfo, world.Sink()) {
  ++world_.counters.processes;
  Random random = world.loop.random().Fork(name_);
  const bool is_driver = options.is_driver;
  if (is_driver) options.id = random.NewId<WorkerId>();
  options.local_listen_endpoint = fmt::format("sim://{}/local", name_);
  options.listen_endpoint = fmt::format("sim://{}/remote", name_);
  CoreWorkerAssembly::Deps deps{
      .loop = loop_,
      .transport_for = [this](std::string_view) { return transport_.get(); },
      .random = std::move(random),
      .log = log_};
  assembly_ = std::move(CoreWorkerAssembly::Make(std::move(deps), std::move(options)).value());
  // The raylet is lost, or has told it to end. Who started it decides what becomes of it.
  core().OnMustExit([this](const Error& why) {
    if (on_end_) on_end_(why);
  });
  if (!is_driver) executor_.emplace(world_, loop_, core());
}

SimulatedProcess::~SimulatedProcess() {
  // A killed process runs no more code, so its coroutines go before the core worker that they use.
  Kill();
  if (executor_) executor_->Stop();
  assembly_->Stop();
}

void SimulatedProcess::Kill() {
  // Its peers see their connections close after a while, and nothing that it was about to do
  // happens.
  world_.network.Kill(name_);
  loop_.Kill();
}

std::string SimulatedProcess::Leftovers() const {
  // After all references are dropped each of these must be nothing. What is left is a leak:
  // somebody was not told of the end of something.
  const CoreWorker::Census census = assembly_->core().Count();
  std::string text;
  const auto add = [&](std::string_view what, std::size_t count) {
    if (count > 0) text += fmt::format(" {}={}", what, count);
  };
  add("tasks", census.tasks);
  add("lineage", census.lineage);
  add("leases", census.leases);
  add("lease_requests", census.lease_requests);
  add("served", census.served);
  add("gets", census.gets);
  add("owned", census.references.owned);
  add("borrowed", census.references.borrowed);
  add("watches", census.references.watches);
  return text.empty() ? text : name_ + " still has" + text;
}

}  // namespace mobula::sim
