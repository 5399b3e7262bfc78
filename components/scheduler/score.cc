#include "components/scheduler/score.h"

#include <algorithm>

namespace mobula::scheduler {

double CriticalUse(const NodeView& node) {
  double use = 0;
  for (const std::string_view name : {kCpu, kMemory}) {
    const Amount total = node.total.Get(name);
    if (total <= Amount()) continue;
    use = std::max(use, 1 - node.available.Get(name).ToDouble() / total.ToDouble());
  }
  if (node.object_bytes_capacity == 0) return use;
  return std::max(use, static_cast<double>(node.object_bytes) /
                           static_cast<double>(node.object_bytes_capacity));
}

const NodeView* FindRichest(const Filter& filter) {
  const NodeView* richest = nullptr;
  std::uint64_t most = 0;
  for (const auto& [id, bytes] : filter.request().locality) {
    const bool tie_for_local = bytes == most && id == filter.view().local_id();
    if (bytes == 0 || (bytes <= most && !tie_for_local)) continue;
    const NodeView* node = filter.view().Find(id);
    if (node == nullptr || !filter.Fits(*node)) continue;
    most = bytes;
    richest = node;
  }
  return richest;
}

}  // namespace mobula::scheduler
