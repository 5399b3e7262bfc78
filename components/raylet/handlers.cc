// \edge: takes messages apart and calls what the chapter explains
//
// What drivers, workers and other raylets may ask of a raylet.

#include "components/protocol/gcs.pb.h"
#include "components/protocol/raylet_methods.h"
#include "components/raylet/raylet.h"

namespace mobula::raylet {

void Raylet::AddHandlers() {
  using rpc::CallContext;
  services_.Handle(protocol::kRegisterWorker,
                   [this](auto& request, const CallContext& call, auto respond) {
                     Register(request, *call.peer, std::move(respond));
                   });
  // A driver says how it ended, before it closes its connection. The GCS keeps the first end that
  // it is told, so the loss of the connection that follows changes nothing.
  services_.Handle(protocol::kEndJob, [this](auto& request, const CallContext&, auto respond) {
    network_.gcs.FinishJob(JobId::FromBinaryOrNil(request.job_id()),
                           request.failure().empty() ? "SUCCEEDED" : "FAILED", request.failure(),
                           [](auto) {});
    respond(protocol::Ack());
  });
  services_.Handle(protocol::kDescribeDeath,
                   [this](auto& request, const CallContext&, auto respond) {
                     DescribeDeath(request, std::move(respond));
                   });
  // Only a worker has a lease whose CPU can be lent. A driver that waits in `Get` holds nothing.
  services_.HandleNotification(protocol::kSetBlocked, [this](auto& request, rpc::Peer& peer) {
    if (const WorkerId* worker = pool_.WorkerAt(peer))
      leases_.granted().SetBlocked(*worker, request.blocked());
  });
  services_.HandleNotification(protocol::kAdoptObjects, [this](auto& request, rpc::Peer& peer) {
    objects_.owners().Adopt(request, &peer);
  });
  services_.Handle(protocol::kFreeObjects, [this](auto& request, const CallContext&, auto respond) {
    objects_.owners().Free(request);
    respond(protocol::Ack());
    membership_.ReportSoon();  // the store has more room, which schedulers elsewhere count with
  });
  services_.Handle(protocol::kRequestLease,
                   [this](auto& request, const CallContext& call, auto respond) {
                     leases_.Request(std::move(request), *call.peer, std::move(respond));
                   });
  services_.HandleNotification(protocol::kCancelLease, [this](auto& request, auto&) {
    leases_.Cancel(request.request_id());
  });
  services_.HandleNotification(protocol::kKeepLeases, [this](auto& request, rpc::Peer& peer) {
    leases_.granted().Keep(request, peer);
  });
  services_.Handle(protocol::kReturnLease, [this](auto& request, const CallContext&, auto respond) {
    leases_.granted().Return(LeaseId::FromBinaryOrNil(request.lease_id()));
    respond(protocol::Ack());
  });
  services_.Handle(protocol::kEndLostWorker,
                   [this](auto& request, const CallContext&, auto respond) {
                     leases_.granted().EndLostWorker(request, std::move(respond));
                   });
}

// A process that cannot be reached may still be alive. Only the GCS, or the raylet of its own node,
// may declare it dead.
void Raylet::DescribeDeath(const protocol::DescribeDeathRequest& request,
                           rpc::Respond<protocol::DescribeDeathReply> respond) {
  const WorkerId worker = WorkerId::FromBinaryOrNil(request.worker_id());
  const NodeId node = NodeId::FromBinaryOrNil(request.node_id());
  const std::string* const cause = objects_.owners().CauseOfDeath(worker, node);
  // We have heard of no death, and the process belongs to another living node. Its raylet knows.
  if (const std::string other = membership_.EndpointOf(node); cause == nullptr && !other.empty()) {
    return network_.peers.Get(other)->Call(protocol::kDescribeDeath, request, std::move(respond));
  }
  // Without a cause in the reply nothing is known: the node may have joined just now.
  protocol::DescribeDeathReply reply;
  if (node == config_.node_id) reply.set_cause("its raylet no longer knows it");
  if (cause != nullptr) reply.set_cause(*cause);
  // If it is one of ours and alive, the answer waits for its end. The asker only wants to know: its
  // lost connection is no reason to kill a process that others may reach.
  pool_.DescribeDeath(
      worker,
      [reply, respond = std::move(respond)](const auto& death) mutable {
        if (death) reply.set_cause(death->cause());
        respond(reply);
      },
      WorkerPool::IfAlive::kWait);
}

protocol::RegisterWorkerReply Raylet::Welcome(const JobId& job) const {
  protocol::RegisterWorkerReply reply;
  reply.set_node_id(std::string(config_.node_id.Binary()));
  reply.set_job_id(std::string(job.Binary()));
  reply.set_raylet_endpoint(endpoint_);
  reply.set_inline_bytes_max(config_.inline_bytes_max);
  return reply;
}

void Raylet::Register(const protocol::RegisterWorkerRequest& request, rpc::Peer& peer,
                      rpc::Respond<protocol::RegisterWorkerReply> respond) {
  // Our socket can be found before the head has answered us. Until then there is no cluster to
  // join.
  if (!membership_.has_joined()) {
    return respond(Fail(ErrorCode::kUnavailable, "this node has not joined its cluster yet"));
  }
  if (request.is_driver()) {
    RegisterDriver(request, peer, std::move(respond));
    return;
  }
  protocol::RegisterWorkerRequest filled = request;
  filled.mutable_address()->set_node_id(std::string(config_.node_id.Binary()));
  Result<void> registered = pool_.Register(filled, peer);
  if (!registered) return respond(Fail(std::move(registered.error())));
  respond(Welcome(JobId::FromBinaryOrNil(request.job_id())));
  leases_.Step();  // a request that was short of workers may get this one
}

void Raylet::RegisterDriver(const protocol::RegisterWorkerRequest& request, rpc::Peer& peer,
                            rpc::Respond<protocol::RegisterWorkerReply> respond) {
  protocol::Address address = request.address();
  address.set_node_id(std::string(config_.node_id.Binary()));
  protocol::JobInfo job;
  job.set_driver_id(address.worker_id());
  job.set_driver_endpoint(address.endpoint());
  job.set_node_id(address.node_id());
  job.set_pid(address.pid());
  job.set_entrypoint(request.program().build());
  // The GCS gives the job its id. A driver that loses its connection and repeats this gets a job of
  // its new connection; the one begun here ends with the old.
  rpc::Peer* const driver = &peer;
  network_.gcs.StartJob(job, alive_.Bind([this, driver, address, program = request.program(),
                                          respond = std::move(respond)](Result<JobId> id) mutable {
    if (!id) return respond(Fail(std::move(id.error()).Context("starting the job")));
    // The driver left while the GCS was asked, and `driver` may be gone with it. Nobody else would
    // ever end this job.
    if (respond.IsAbandoned()) {
      network_.gcs.FinishJob(*id, "FAILED", "the driver left while it joined", [](auto) {});
      return;
    }
    programs_.AddLocal(program);
    pool_.RegisterDriver(address, *id, *driver);
    pool_.AddJob(*id, program);
    host_.log.Info("job", "started", "job={} driver_pid={} program=\"{}\"", id->Hex(),
                   address.pid(), program.build());
    respond(Welcome(*id));
  }));
}

}  // namespace mobula::raylet
