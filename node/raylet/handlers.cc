// What drivers, workers and other raylets may ask of a raylet.

#include "components/core_worker/methods.h"
#include "node/raylet/raylet_impl.h"

namespace mobula::node {

using Impl = Raylet::Impl;

void Impl::AddHandlers() {
  using rpc::CallContext;
  namespace cw = core_worker;
  services.Handle(cw::kRegisterWorker,
                  [this](auto& request, const CallContext& call, auto respond) {
                    Register(request, *call.peer, std::move(respond));
                  });
  services.Handle(cw::kFinishJob, [this](auto& request, const CallContext&, auto respond) {
    deps.gcs.FinishJob(JobId::FromBinaryOrNil(request.job_id()),
                       request.failure().empty() ? "SUCCEEDED" : "FAILED", request.failure(),
                       [](auto) {});
    respond(cw::FinishJobReply());
  });
  services.Handle(cw::kDescribeDeath, [this](auto& request, const CallContext&, auto respond) {
    DescribeDeath(request, std::move(respond));
  });
  services.Hear(cw::kSetBlocked, [this](auto& request, rpc::Peer& peer) {
    if (const WorkerId* worker = pool.WorkerAt(peer)) leases.SetBlocked(*worker, request.blocked());
  });
  services.Hear(cw::kAdoptObjects,
                [this](auto& request, rpc::Peer& peer) { owners.Adopt(request, &peer); });
  services.Hear(cw::kFreeObjects, [this](auto& request, auto&) {
    owners.Free(request);
    ReportSoon();
  });
  services.Handle(cw::kRequestLease, [this](auto& request, const CallContext& call, auto respond) {
    leases.Request(std::move(request), *call.peer, std::move(respond));
  });
  services.Hear(cw::kCancelLease,
                [this](auto& request, auto&) { leases.Cancel(request.request_id()); });
  services.Hear(cw::kKeepLeases,
                [this](auto& request, rpc::Peer& peer) { leases.Keep(request, peer); });
  services.Handle(cw::kReturnLease, [this](auto& request, const CallContext&, auto respond) {
    cw::FreeObjectsRequest drop;
    *drop.mutable_ids() = request.drop_ids();
    owners.Free(drop);
    leases.Return(request, std::move(respond));
  });
}

/// Only who answers for a process says that it is dead: the GCS, or the raylet of its node.
void Impl::DescribeDeath(const core_worker::DescribeDeathRequest& request,
                         rpc::Respond<core_worker::DescribeDeathReply> respond) {
  const WorkerId worker = WorkerId::FromBinaryOrNil(request.worker_id());
  const NodeId node = NodeId::FromBinaryOrNil(request.node_id());
  const std::string* const cause = owners.CauseOfDeath(worker, node);
  if (const std::string other = EndpointOf(node); cause == nullptr && !other.empty()) {
    return deps.peers.Get(other)->Call(core_worker::kDescribeDeath, request, std::move(respond));
  }
  core_worker::DescribeDeathReply reply;
  if (node == config.node_id) reply.set_cause("its raylet no longer knows it");
  if (cause != nullptr) reply.set_cause(*cause);
  pool.DescribeDeath(
      worker,
      [reply, respond = std::move(respond)](const auto& death) mutable {
        if (death) reply.set_cause(death->cause());
        respond(reply);
      },
      WorkerPool::IfAlive::kWait);
}

core_worker::RegisterWorkerReply Impl::Welcome(const JobId& job) const {
  core_worker::RegisterWorkerReply reply;
  reply.set_node_id(std::string(config.node_id.Binary()));
  reply.set_job_id(std::string(job.Binary()));
  reply.set_raylet_endpoint(endpoint);
  reply.set_inline_bytes_max(config.inline_bytes_max);
  return reply;
}

void Impl::Register(const core_worker::RegisterWorkerRequest& request, rpc::Peer& peer,
                    rpc::Respond<core_worker::RegisterWorkerReply> respond) {
  if (cluster_id.empty()) {
    respond(Fail(ErrorCode::kUnavailable, "this node has not joined its cluster yet"));
    return;
  }
  if (request.is_driver()) {
    RegisterDriver(request, peer, std::move(respond));
    return;
  }
  core_worker::RegisterWorkerRequest filled = request;
  filled.mutable_address()->set_node_id(std::string(config.node_id.Binary()));
  if (Result<void> registered = pool.Register(filled, peer); !registered) {
    respond(Fail(std::move(registered.error())));
    return;
  }
  respond(Welcome(JobId::FromBinaryOrNil(request.job_id())));
  leases.Step();
}

void Impl::RegisterDriver(const core_worker::RegisterWorkerRequest& request, rpc::Peer& peer,
                          rpc::Respond<core_worker::RegisterWorkerReply> respond) {
  core_worker::Address address = request.address();
  address.set_node_id(std::string(config.node_id.Binary()));
  gcs::JobInfo job;
  job.set_driver_id(address.worker_id());
  job.set_driver_endpoint(address.endpoint());
  job.set_node_id(address.node_id());
  job.set_pid(address.pid());
  job.set_entrypoint(request.program().build());
  rpc::Peer* const driver = &peer;
  deps.gcs.StartJob(job, alive.Bind([this, driver, address, program = request.program(),
                                     respond = std::move(respond)](Result<JobId> id) mutable {
    if (!id) return respond(Fail(std::move(id.error()).Context("starting the job")));
    if (respond.IsAbandoned()) {  // the driver left meanwhile; `driver` may be gone
      deps.gcs.FinishJob(*id, "FAILED", "the driver left while it joined", [](auto) {});
      return;
    }
    programs.AddLocal(program);
    pool.RegisterDriver(address, *id, *driver);
    pool.AddJob(*id, program);
    deps.log.Info("job", "started", "job={} driver_pid={} program=\"{}\"", id->Hex(), address.pid(),
                  program.build());
    respond(Welcome(*id));
  }));
}

}  // namespace mobula::node
