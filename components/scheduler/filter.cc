#include "components/scheduler/filter.h"

#include <algorithm>
#include <tuple>

#include "components/scheduler/explain.h"

namespace mobula::scheduler {
namespace {

bool ById(const NodeView* a, const NodeView* b) { return a->id < b->id; }

std::vector<const NodeView*> Draw(const Filter& filter, const FreeIndex::Candidates& candidates,
                                  std::size_t count, Random& random) {
  constexpr std::size_t kTriesMin = 16;
  std::vector<const NodeView*> drawn;
  const std::size_t tries = std::max(2 * count, kTriesMin);
  for (std::size_t i = 0; i < tries && drawn.size() < count; ++i) {
    const NodeView& node = candidates[random.Below(candidates.size())];
    if (filter.Fits(node) && std::ranges::count(drawn, &node) == 0) drawn.push_back(&node);
  }
  return drawn;
}

}  // namespace

bool ShapeLess::operator()(const ResourceRequest& a, const ResourceRequest& b) const {
  return std::tie(a.resources.entries(), a.strategy, a.labels) <
         std::tie(b.resources.entries(), b.strategy, b.labels);
}

Filter::Filter(const ResourceRequest& request, const ClusterView& view)
    : request_(request), view_(view), pinned_(std::get_if<OnNode>(&request.strategy)) {
  if (pinned_ == nullptr || !pinned_->soft) return;
  const NodeView* const wanted = view.Find(pinned_->node);
  if (wanted == nullptr || !IsFeasible(*wanted)) pinned_ = nullptr;
}

bool Filter::IsEligible(const NodeView& node) const {
  if (!node.TakesWork() || (pinned_ != nullptr && node.id != pinned_->node)) return false;
  return std::ranges::all_of(request_.labels,
                             [&](const LabelTerm& term) { return term.Accepts(node.labels); });
}

bool Filter::IsFeasible(const NodeView& node) const {
  return IsEligible(node) && node.total.Covers(request_.resources);
}

bool Filter::Fits(const NodeView& node) const {
  return node.available.Covers(request_.resources) && IsFeasible(node);
}

Fitting FindFitting(const Filter& filter, std::size_t sample_nodes, SampleFrom from,
                    Random& random) {
  Fitting found;
  if (const NodeId* pinned = filter.Pinned()) {
    const NodeView* node = filter.view().Find(*pinned);
    if (node != nullptr && filter.Fits(*node)) found.nodes.push_back(node);
    return found;
  }
  const FreeIndex::Candidates candidates = filter.view().MayFit(filter.request().resources);
  const bool sample = sample_nodes > 0 && candidates.size() > sample_nodes;
  if (sample && from == SampleFrom::kAnywhere) {
    found.nodes = Draw(filter, candidates, sample_nodes, random);
    found.is_all = found.nodes.empty();
  }
  for (std::size_t i = 0; found.is_all && i < candidates.size(); ++i) {
    if (!filter.Fits(candidates[i])) continue;
    found.nodes.push_back(&candidates[i]);
    found.is_all = !sample || from == SampleFrom::kAnywhere || found.nodes.size() < sample_nodes;
  }
  std::ranges::sort(found.nodes, ById);
  return found;
}

bool AnyFits(const Filter& filter) {
  if (const NodeId* pinned = filter.Pinned()) {
    const NodeView* node = filter.view().Find(*pinned);
    return node != nullptr && filter.Fits(*node);
  }
  const FreeIndex::Candidates candidates = filter.view().MayFit(filter.request().resources);
  for (std::size_t i = candidates.size(); i > 0; --i) {  // the freest first
    if (filter.Fits(candidates[i - 1])) return true;
  }
  return false;
}

Decision NothingFits(const Filter& filter) {
  const bool feasible = std::ranges::any_of(
      filter.view().nodes(), [&](const auto& entry) { return filter.IsFeasible(entry.second); });
  if (feasible) return decision::Wait{ExplainWait(filter)};
  return decision::Infeasible{ExplainInfeasible(filter)};
}

}  // namespace mobula::scheduler
