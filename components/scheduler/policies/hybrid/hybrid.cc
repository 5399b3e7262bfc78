#include "components/scheduler/policies/hybrid/hybrid.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "components/scheduler/policies/sample_nodes.h"
#include "components/scheduler/score.h"

namespace mobula::scheduler {
namespace {

struct HybridOptions {
  double spread_threshold = 0.5;
  double top_k_fraction = 0.2;
  std::size_t top_k_nodes_min = 1;
  bool avoid_gpu_nodes = true;
  std::size_t sample_nodes = 0;
};

bool HasGpu(const NodeView& node) { return node.total.Get(kGpu) > Amount(); }

class HybridPolicy final : public SchedulingPolicy {
 public:
  HybridPolicy(HybridOptions options, Random random) : options_(options), random_(random) {}

  Decision Choose(const ResourceRequest& request, const ClusterView& view) override {
    const Filter filter(request, view);
    // A node with a GPU is kept free for tasks that need one, as long as another node will do.
    const bool shun_gpu = options_.avoid_gpu_nodes && request.resources.Get(kGpu) == Amount();
    // The node that has most of the arguments saves their transfer; next best is the node that was
    // asked, because its owner need not ask again elsewhere.
    const NodeView* preferred = FindRichest(filter);
    if (preferred == nullptr && view.local() != nullptr && filter.Fits(*view.local())) {
      preferred = view.local();
    }
    const bool suits = preferred != nullptr && !(shun_gpu && HasGpu(*preferred));
    if (suits && Score(*preferred) == 0) return decision::Place{preferred->id};  // none is lower

    // The preferred node is used above the threshold already. From here on all that fit compete.
    Fitting found = FindFitting(filter, options_.sample_nodes, SampleFrom::kAnywhere, random_);
    if (found.nodes.empty()) return NothingFits(filter);
    const std::size_t considered = found.is_all ? view.nodes().size() : found.nodes.size();
    if (shun_gpu) KeepWithoutGpu(found.nodes);
    if (shun_gpu && preferred != nullptr && HasGpu(*preferred) && !HasGpu(*found.nodes.front())) {
      preferred = nullptr;
    }
    std::vector<std::pair<double, const NodeView*>> ranked;  // once: a score costs more than a sort
    ranked.reserve(found.nodes.size());
    for (const NodeView* node : found.nodes) ranked.emplace_back(Score(*node), node);
    std::ranges::stable_sort(ranked, {}, [](const auto& entry) { return entry.first; });
    if (preferred != nullptr && Score(*preferred) <= ranked.front().first) {
      return decision::Place{preferred->id};
    }
    // Many raylets decide at the same time with the same picture. Each draws among the best few, so
    // that they do not all choose the same node.
    const auto share = options_.top_k_fraction * static_cast<double>(considered);
    const std::size_t k = std::max(options_.top_k_nodes_min, static_cast<std::size_t>(share));
    return decision::Place{ranked[random_.Below(std::min(k, ranked.size()))].second->id};
  }
  [[nodiscard]] std::string_view Name() const override { return "hybrid"; }

 private:
  /// All nodes below the threshold are equally good: the rule packs until there, and spreads above.
  [[nodiscard]] double Score(const NodeView& node) const {
    const double use = CriticalUse(node);
    return use < options_.spread_threshold ? 0 : use;
  }

  /// Drops the nodes with GPU, unless all have one.
  static void KeepWithoutGpu(std::vector<const NodeView*>& nodes) {
    const auto has_gpu = [](const NodeView* node) { return HasGpu(*node); };
    if (!std::ranges::all_of(nodes, has_gpu)) std::erase_if(nodes, has_gpu);
  }

  HybridOptions options_;
  Random random_;
};

}  // namespace

Result<std::unique_ptr<SchedulingPolicy>> MakeHybridPolicy(
    ConfigReader& config, const SchedulingPolicy::Context& context) {
  HybridOptions options;
  options.spread_threshold = config.Number("spread_threshold", options.spread_threshold, 0, 1);
  options.top_k_fraction = config.Number("top_k_fraction", options.top_k_fraction, 0, 1);
  options.top_k_nodes_min =
      config.Integer("top_k_nodes_min", options.top_k_nodes_min, 1, 1'000'000);
  options.avoid_gpu_nodes = config.Boolean("avoid_gpu_nodes", options.avoid_gpu_nodes);
  options.sample_nodes = ReadSampleNodes(config);
  return std::make_unique<HybridPolicy>(options, context.random);
}

}  // namespace mobula::scheduler
