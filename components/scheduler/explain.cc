#include "components/scheduler/explain.h"

#include <algorithm>

namespace mobula::scheduler {
namespace {

/// "; "-joined lacks of the first few nodes that `listed` accepts, and a count of the others.
template <typename Predicate>
std::string ListLacks(const Filter& filter, Predicate listed) {
  std::string text;
  std::size_t shown = 0;
  std::size_t more = 0;
  for (const auto& [id, node] : filter.view().nodes()) {
    if (!listed(node)) continue;
    if (shown == kExplainNodesMax) {
      ++more;
      continue;
    }
    text += fmt::format("{}node {} {}", shown++ == 0 ? "" : "; ", id.Short(), Lack(filter, node));
  }
  if (more > 0) text += fmt::format("; and {} more", more);
  return text;
}

/// The first resource that no eligible node, even empty, has enough of; "" if each is somewhere.
std::string MissingEverywhere(const Filter& filter) {
  for (const auto& [name, wanted] : filter.request().resources.entries()) {
    Amount most;
    const NodeView* largest = nullptr;
    for (const auto& [id, node] : filter.view().nodes()) {
      const Amount total = node.total.Get(name);
      if (!filter.IsEligible(node) || total <= most) continue;
      most = total;
      largest = &node;
    }
    if (most >= wanted) continue;
    std::string text = fmt::format("no node has {}: {}", name, wanted.ToString());
    if (largest == nullptr) return text + " (none has any)";
    return text + fmt::format(" (largest: node {} has {})", largest->id.Short(), most.ToString());
  }
  return {};
}

}  // namespace

std::string Lack(const Filter& filter, const NodeView& node) {
  const ResourceRequest& request = filter.request();
  if (!node.alive) return "is dead";
  if (node.draining) return "is draining";
  const NodeId* const pinned = filter.Pinned();
  if (pinned != nullptr && node.id != *pinned) return "is not the node asked for";
  for (const LabelTerm& term : request.labels) {
    if (term.Accepts(node.labels)) continue;
    const auto label = node.labels.find(term.key);
    return label == node.labels.end() ? fmt::format("has no label {}", term.key)
                                      : fmt::format("has label {}={}", term.key, label->second);
  }
  const auto what = [&](const std::string& name, const ResourceSet& has, std::string_view of) {
    return fmt::format("has {}: {}{}, {} wanted", name, has.Get(name).ToString(), of,
                       request.resources.Get(name).ToString());
  };
  if (const std::string name = node.total.FirstShortage(request.resources); !name.empty()) {
    return what(name, node.total, " in all");
  }
  if (const std::string name = node.available.FirstShortage(request.resources); !name.empty()) {
    return what(name, node.available, fmt::format(" of {} free", node.total.Get(name).ToString()));
  }
  return "has room";
}

std::string ExplainWait(const Filter& filter) {
  const auto feasible = [&](const NodeView& node) { return filter.IsFeasible(node); };
  const ResourceSet& wanted = filter.request().resources;
  std::string missing;
  for (const auto& [id, node] : filter.view().nodes()) {
    if (!feasible(node)) continue;
    missing = node.available.FirstShortage(wanted);
    break;
  }
  if (missing.empty()) return "waits for its turn: " + ListLacks(filter, feasible);
  return fmt::format("waits for {}: {}: {}", missing, wanted.Get(missing).ToString(),
                     ListLacks(filter, feasible));
}

std::string ExplainInfeasible(const Filter& filter) {
  const ClusterView& view = filter.view();
  const ResourceRequest& request = filter.request();
  if (view.nodes().empty()) return "the cluster has no nodes";
  if (const NodeId* pinned = filter.Pinned()) {
    const NodeView* node = view.Find(*pinned);
    if (node == nullptr) return fmt::format("node {} is not in the cluster", pinned->Short());
    return fmt::format("node {} {}", pinned->Short(), Lack(filter, *node));
  }
  const bool any_eligible = std::ranges::any_of(
      view.nodes(), [&](const auto& entry) { return filter.IsEligible(entry.second); });
  std::string missing;
  if (any_eligible) {
    missing = MissingEverywhere(filter);
    if (missing.empty()) missing = "no single node has all of " + request.resources.ToString();
  } else if (request.labels.empty()) {
    missing = "no node takes new work";
  } else {
    missing = "no node that takes new work has the labels";
    for (const LabelTerm& term : request.labels) missing += " " + term.ToString();
  }
  return missing + ": " + ListLacks(filter, [](const NodeView&) { return true; });
}

}  // namespace mobula::scheduler
