/// \file
/// \edge
/// \brief Messages that are lists of object ids, none longer than a bound.
#pragma once

#include <cstddef>
#include <string>

#include "components/base/ids.h"

namespace mobula::core_worker {

/// Calls `send` with `request` and the next `ids`, at most `ids_max` at a time, until all are sent.
template <typename Request, typename Ids, typename Send>
void SendInParts(Request request, const Ids& ids, std::size_t ids_max, Send send) {
  for (const ObjectId& id : ids) {
    request.add_ids(std::string(id.Binary()));
    if (static_cast<std::size_t>(request.ids_size()) < ids_max) continue;
    send(request);
    request.clear_ids();
  }
  if (request.ids_size() > 0) send(request);
}

}  // namespace mobula::core_worker
