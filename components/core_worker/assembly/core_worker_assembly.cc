#include "components/core_worker/assembly/core_worker_assembly.h"

#include "components/object_store/attach.h"
#include "components/protocol/raylet_methods.h"

namespace mobula::core_worker {

Result<std::unique_ptr<CoreWorkerAssembly>> CoreWorkerAssembly::Make(Deps deps,
                                                                     AssemblyOptions options) {
  transport::Transport* const to_raylet = deps.transport_for(options.raylet_endpoint);
  if (to_raylet == nullptr) {
    return Fail(ErrorCode::kInvalidArgument, "the raylet's endpoint '{}' is of no known kind",
                options.raylet_endpoint);
  }
  return std::unique_ptr<CoreWorkerAssembly>(
      new CoreWorkerAssembly(std::move(deps), std::move(options), *to_raylet));
}

// One table of services serves all three kinds of connections: those that others open to us, and
// those that we open to peers and to the raylet. Either end of a connection may call the other.
CoreWorkerAssembly::CoreWorkerAssembly(Deps deps, AssemblyOptions options,
                                       transport::Transport& to_raylet)
    : deps_(std::move(deps)),
      options_(std::move(options)),
      to_raylet_(to_raylet),
      peers_(deps_.loop, deps_.transport_for, deps_.random.Fork("peers"), rpc::ClientOptions(),
             &services_),
      raylet_(deps_.loop, to_raylet_, options_.raylet_endpoint, deps_.random.Fork("raylet"),
              rpc::ClientOptions(), &services_),
      core_({deps_.loop, peers_, raylet_, deps_.log, deps_.random.Fork("core")}, options_.config),
      server_(deps_.loop, services_) {
  core_.AddHandlers(services_);
  server_.OnPeer([](rpc::Peer&) {},
                 [this](rpc::Peer& peer, const Error& why) { core_.OnPeerClosed(peer, why); });
}

void CoreWorkerAssembly::Join(TaskExecutor* executor, Done<void> joined) {
  // We listen before anybody knows us, so whoever learns our address can connect at once.
  if (Result<void> listening = Listen(); !listening) return joined(std::move(listening));
  tasks_.Spawn<void>(JoinNode(executor), std::move(joined));
}

Result<void> CoreWorkerAssembly::Listen() {
  Result<std::string> local = server_.Listen(to_raylet_, options_.local_listen_endpoint);
  if (!local) return Fail(std::move(local.error()));
  transport::Transport* const remote_transport = deps_.transport_for(options_.listen_endpoint);
  if (remote_transport == nullptr) {
    return Fail(ErrorCode::kInvalidArgument, "the endpoint to listen at '{}' is of no known kind",
                options_.listen_endpoint);
  }
  Result<std::string> remote = server_.Listen(*remote_transport, options_.listen_endpoint);
  if (!remote) return Fail(std::move(remote.error()));
  address_.set_worker_id(std::string(options_.id.Binary()));
  address_.set_endpoint(*remote);
  address_.set_local_endpoint(*local);
  address_.set_pid(options_.pid);
  return {};
}

Task<void> CoreWorkerAssembly::JoinNode(TaskExecutor* executor) {
  // First the store: a task may arrive as soon as the raylet knows us, and its arguments are there.
  Result<std::unique_ptr<object_store::StoreClient>> store =
      co_await AwaitCallback<std::unique_ptr<object_store::StoreClient>>([this](auto done) {
        if (deps_.attach_store) return deps_.attach_store(std::move(done));
        object_store::AttachStore(deps_.loop, raylet_, std::move(done));
      });
  if (!store) co_return Fail(std::move(store.error()).Context("attaching to the object store"));

  protocol::RegisterWorkerRequest request;
  *request.mutable_address() = address_;
  request.set_is_driver(options_.is_driver);
  request.set_job_id(std::string(options_.job.Binary()));
  // A worker's id names the start that its raylet asked for, so that the raylet knows which it was.
  if (!options_.is_driver) request.set_startup_id(address_.worker_id());
  *request.mutable_program() = options_.program;
  Result<protocol::RegisterWorkerReply> reply =
      co_await raylet_.CallAsync(protocol::kRegisterWorker, request);
  if (!reply) co_return Fail(std::move(reply.error()).Context("registering with the raylet"));

  // The raylet has told us which node and job we belong to. An owner may have been faster and has
  // pushed tasks already; they have waited inside the core worker for this moment.
  address_.set_node_id(reply->node_id());
  Membership membership;
  membership.self = address_;
  membership.job = JobId::FromBinaryOrNil(reply->job_id());
  membership.program = options_.program;
  membership.raylet_endpoint = reply->raylet_endpoint();
  membership.inline_bytes_max = reply->inline_bytes_max();
  core_.Start(std::move(membership), std::move(*store), executor);
  has_joined_ = true;
  co_return {};
}

void CoreWorkerAssembly::FinishJob(const std::string& failure, std::function<void()> told) {
  protocol::EndJobRequest request;
  request.set_job_id(std::string(core_.job().Binary()));
  request.set_failure(failure);
  // The raylet tells the GCS, and ends the workers of the job. A raylet that is gone has ended them
  // already, so an error is as good as an answer.
  raylet_.Call(protocol::kEndJob, request, [told = std::move(told)](const auto&) { told(); });
}

void CoreWorkerAssembly::Stop() {
  // A join that is still under way ends without a word. After that nobody may reach us while the
  // core worker lets go of what it holds; its own connections are needed for that until the end.
  tasks_.Stop();
  server_.Stop();
  core_.Stop();
  peers_.Stop();
  raylet_.Stop();
}

}  // namespace mobula::core_worker
