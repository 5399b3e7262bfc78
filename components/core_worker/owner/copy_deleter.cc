#include "components/core_worker/owner/copy_deleter.h"

#include "components/core_worker/owner/send_in_parts.h"
#include "components/protocol/raylet_methods.h"

namespace mobula::core_worker {

void CopyDeleter::Delete(const ObjectId& id, const std::string& raylet_endpoint) {
  // A program that drops ten thousand references sends one message to each raylet and not ten
  // thousand: what is dropped in one turn of the loop is collected.
  if (waiting_.empty()) loop_.Post(alive_.Bind([this] { Flush(); }));
  waiting_[raylet_endpoint].push_back(id);
}

void CopyDeleter::Flush() {
  for (const auto& [endpoint, ids] : std::exchange(waiting_, {})) {
    // A call, as it is made again when its connection is lost. If it fails for good, the node is
    // dead or away: a copy that stays there is deleted when the raylet learns of our end.
    const auto client = peers_.Get(endpoint);
    SendInParts(protocol::FreeObjectsRequest(), ids, batch_ids_max_,
                [&](const protocol::FreeObjectsRequest& request) {
                  client->Call(protocol::kFreeObjects, request,
                               [](const Result<protocol::Ack>&) {});
                });
  }
}

}  // namespace mobula::core_worker
