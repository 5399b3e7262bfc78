/// \file
/// \edge
/// \brief Tells workers that we hold what their results refer to.
#pragma once

#include <map>
#include <string>

#include "components/base/event_loop.h"
#include "components/base/lifetime.h"
#include "components/core_worker/owner/references.h"
#include "components/protocol/worker.pb.h"
#include "components/transport/rpc/client_pool.h"

namespace mobula::core_worker {

/// The last step of hand over hand (references.h): a worker holds the references inside a result
/// until it is told that we are registered with their owners. That takes a round trip to each
/// owner, so workers are told for many tasks at once.
///
/// Threads: the state lock. Lifetime: loop, references and peers outlive it.
class HandoffReleases {
 public:
  HandoffReleases(EventLoop& loop, ReferenceTable& references, rpc::ClientPool& peers)
      : loop_(loop), references_(references), peers_(peers) {}

  /// We hold all that the results of this task refer to. \param worker_endpoint where it ran.
  void Add(const TaskId& task, const std::string& worker_endpoint);
  void Stop() { alive_.End(); }

 private:
  void Send();

  EventLoop& loop_;
  ReferenceTable& references_;
  rpc::ClientPool& peers_;
  std::map<std::string, protocol::ReleaseHandoffRequest> waiting_;  // by worker; for this turn
  Lifetime alive_;
};

}  // namespace mobula::core_worker
