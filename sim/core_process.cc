#include "sim/core_process.h"

#include "components/object_store/attach.h"
#include "components/protocol/raylet_methods.h"

namespace mobula::sim {

using core_worker::CoreWorker;

CoreProcess::CoreProcess(World& world, CoreProcessOptions options)
    : world_(world),
      options_(std::move(options)),
      loop_(world.loop),
      transport_(world.network.TransportFor(options_.name, loop_)),
      random_(world.loop.random().Fork(options_.name)),
      log_(loop_.clock(), options_.name, LogLevel::kInfo, world.Sink()) {
  ++world_.counters.processes;
  peers_.emplace(
      loop_, [this](std::string_view) { return transport_.get(); }, random_.Fork("peers"),
      rpc::ClientOptions(), &services_);
  raylet_.emplace(loop_, *transport_, options_.raylet_endpoint, random_.Fork("raylet"),
                  rpc::ClientOptions(), &services_);
  core_.emplace(CoreWorker::Deps{loop_, *peers_, *raylet_, log_, random_.Fork("core")},
                core_worker::CoreWorkerConfig());
  core_->AddHandlers(services_);
  server_.emplace(loop_, services_);
  server_->OnPeer([](rpc::Peer&) {},
                  [this](rpc::Peer& peer, const Error& why) { core_->OnPeerClosed(peer, why); });
  core_->OnMustExit([this](const Error& why) {
    if (on_end_) on_end_(why);
  });
  if (!options_.is_driver) executor_.emplace(world_, loop_, *core_);
}

CoreProcess::~CoreProcess() {
  CutOff();
  tasks_.Stop();
  if (executor_) executor_->Stop();
  server_->Stop();
  core_->Stop();
  peers_->Stop();
  raylet_->Stop();
}

void CoreProcess::CutOff() {
  world_.network.Kill(options_.name);
  loop_.Kill();
}

void CoreProcess::Start(Done<void> joined) {
  const auto listen = [this](std::string_view what) {
    Result<std::string> endpoint =
        server_->Listen(*transport_, fmt::format("sim://{}/{}", options_.name, what));
    Check(endpoint.has_value(), "a new process can listen");
    return *endpoint;
  };
  address_.set_worker_id(std::string(random_.NewId<WorkerId>().Binary()));
  address_.set_endpoint(listen("remote"));
  address_.set_local_endpoint(listen("local"));
  address_.set_pid(options_.pid);
  tasks_.Spawn<void>(Join(), std::move(joined));
}

Task<void> CoreProcess::Join() {
  protocol::RegisterWorkerRequest request;
  *request.mutable_address() = address_;
  request.set_is_driver(options_.is_driver);
  request.set_job_id(std::string(options_.job.Binary()));
  request.set_startup_id(std::string(options_.startup_id.Binary()));
  *request.mutable_program() = options_.program;
  Result<protocol::RegisterWorkerReply> reply =
      co_await raylet_->CallAsync(protocol::kRegisterWorker, request);
  if (!reply) co_return Fail(std::move(reply.error()));
  Result<std::unique_ptr<object_store::StoreClient>> store =
      co_await AwaitCallback<std::unique_ptr<object_store::StoreClient>>(
          [this](auto done) { object_store::AttachStore(loop_, *raylet_, std::move(done)); });
  if (!store) co_return Fail(std::move(store.error()));
  address_.set_node_id(reply->node_id());
  core_->config().inline_bytes_max = reply->inline_bytes_max();
  core_->Start(address_, JobId::FromBinaryOrNil(reply->job_id()), options_.program,
               reply->raylet_endpoint(), std::move(*store), executor_ ? &*executor_ : nullptr);
  has_joined_ = true;
  co_return {};
}

std::string CoreProcess::Leftovers() const {
  const CoreWorker::Census census = core_->Count();
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
  return text.empty() ? text : options_.name + " still has" + text;
}

}  // namespace mobula::sim
