/// \file
/// \brief A policy before a cluster that is partly busy: decisions, one after the other.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "components/scheduler/registration.h"
#include "components/scheduler/strategy_policy.h"

namespace bench {

class Decider {
 public:
  /// \param kind of the policy, as in YAML. \param nodes of 64 CPUs each, some of them free.
  Decider(const std::string& kind, int nodes) {
    mobula::Random random(1);
    for (int i = 0; i < nodes; ++i) {
      mobula::scheduler::NodeView node;
      node.id = random.NewId<mobula::NodeId>();
      node.total = {{"CPU", 64}};
      node.available = {{"CPU", static_cast<double>(random.Below(65))}};
      node.version = 1;
      if (i == 0) view_.SetLocal(node.id);
      view_.Upsert(std::move(node));
    }
    mobula::ConfigValue::Map config;
    config.emplace("kind", mobula::ConfigValue(kind));
    policy_ =
        mobula::scheduler::MakePolicy(mobula::scheduler::BuiltInPolicies(),
                                      mobula::ConfigValue(std::move(config)), random.Fork("policy"))
            .value();
    for (std::size_t i = 0; i < kRequests; ++i) {
      requests_[i].resources = {{"CPU", static_cast<double>(i + 1)}};
    }
  }

  /// For one to eight CPUs in turn; what is placed is taken and given back, as by a grant.
  void DecideOnce() {
    const mobula::scheduler::ResourceRequest& request = requests_[next_++ % kRequests];
    const mobula::scheduler::Decision decision = policy_->Choose(request, view_);
    const auto* place = std::get_if<mobula::scheduler::decision::Place>(&decision);
    if (place == nullptr) return;
    view_.Take(place->node, request.resources);
    view_.Give(place->node, request.resources);
  }

 private:
  static constexpr std::size_t kRequests = 8;
  mobula::scheduler::ClusterView view_;
  std::unique_ptr<mobula::scheduler::SchedulingPolicy> policy_;
  mobula::scheduler::ResourceRequest requests_[kRequests];
  std::size_t next_ = 0;
};

}  // namespace bench
