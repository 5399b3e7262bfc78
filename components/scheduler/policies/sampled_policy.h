/// \file
/// \brief What policies share that sample the nodes that fit, and differ only in which they pick.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "components/scheduler/policies/sample_nodes.h"
#include "components/scheduler/scheduling_policy.h"
#include "components/scheduler/score.h"

namespace mobula::scheduler {

using Nodes = std::vector<const NodeView*>;

struct Sample {
  std::string_view kind;  ///< Of the policy.
  SampleFrom from = SampleFrom::kAnywhere;
  std::size_t nodes = 0;  ///< 0: as the key `sample_nodes` says.
};

/// `Pick` returns one of the nodes that fit, at least one, ordered by id.
template <typename Pick>
class SampledPolicy final : public SchedulingPolicy {
 public:
  SampledPolicy(const Sample& sample, Random random, Pick pick)
      : sample_(sample), random_(random), pick_(std::move(pick)) {}

  //! [choose]
  Decision Choose(const ResourceRequest& request, const ClusterView& view) override {
    const Filter filter(request, view);
    Fitting found = FindFitting(filter, sample_.nodes, sample_.from, random_);
    if (found.nodes.empty()) return NothingFits(filter);
    return decision::Place{pick_(found.nodes, random_).id};
  }
  //! [choose]
  [[nodiscard]] std::string_view Name() const override { return sample_.kind; }

 private:
  const Sample sample_;
  Random random_;
  Pick pick_;
};

/// Reads the keys that the sample needs. \return the policy. Errors: none.
template <typename Pick>
[[nodiscard]] Result<std::unique_ptr<SchedulingPolicy>> MakeSampled(
    ConfigReader& config, const SchedulingPolicy::Context& context, Sample sample, Pick pick) {
  if (sample.nodes == 0) sample.nodes = ReadSampleNodes(config);
  return std::make_unique<SampledPolicy<Pick>>(sample, context.random, std::move(pick));
}

}  // namespace mobula::scheduler
