/// \file
/// \edge
/// \brief Tells raylets to delete copies of objects that nobody wants, many in one message.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "components/base/event_loop.h"
#include "components/base/lifetime.h"
#include "components/core_worker/owner/object_state.h"
#include "components/transport/rpc/client_pool.h"

namespace mobula::core_worker {

/// Threads: the state lock. Lifetime: loop and peers outlive it.
class CopyDeleter {
 public:
  CopyDeleter(EventLoop& loop, rpc::ClientPool& peers, std::size_t batch_ids_max)
      : loop_(loop), peers_(peers), batch_ids_max_(batch_ids_max) {}

  /// The node of this raylet deletes its copy, soon. It may have none.
  void Delete(const ObjectId& id, const std::string& raylet_endpoint);

 private:
  void Flush();

  EventLoop& loop_;
  rpc::ClientPool& peers_;
  std::size_t batch_ids_max_;
  std::map<std::string, std::vector<ObjectId>> waiting_;  // by raylet endpoint; for this turn
  Lifetime alive_;
};

}  // namespace mobula::core_worker
