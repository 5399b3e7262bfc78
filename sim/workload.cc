#include "sim/workload.h"

#include <algorithm>

#include "sim/capacity.h"

namespace mobula::sim {
namespace {

constexpr std::uint32_t kDepthMax = 3;  // of tasks that submit tasks
/// Three of them last longer than the grace of an infeasible request, so the last still waits for
/// the busy node when that grace ends.
constexpr std::int64_t kLateTaskTimeUs = 2'500'000;

/// Draws graphs one after the other.
class Maker {
 public:
  Maker(const SimConfig& config, const std::vector<ResourceSet>& nodes, Random random,
        Oracle& oracle)
      : config_(config), nodes_(nodes), random_(random), oracle_(oracle) {}

  Graph Make(const std::string& shape, std::string name, std::int64_t tasks_max) {
    Graph graph{.name = std::move(name), .items = {}};
    left_ = tasks_max;
    const auto size = static_cast<std::size_t>(2 + random_.Below(12));
    if (shape == "chain") {
      for (std::size_t i = 0; i < size && left_ > 0; ++i) {
        Add(graph, Simple()).arguments = i == 0 ? Indexes() : Indexes{i - 1};
      }
    } else if (shape == "fan_out") {
      for (std::size_t i = 0; i < size && left_ > 1; ++i) Add(graph, Simple());
      Indexes all;
      for (std::size_t i = 0; i < graph.items.size(); ++i) all.push_back(i);
      Add(graph, Simple()).arguments = std::move(all);
    } else if (shape == "tree") {
      for (std::size_t i = 0; i < size && left_ > 0; ++i) {
        Add(graph, Simple()).arguments = i < 2 ? Indexes() : Indexes{i - 1, i / 2};
      }
    } else if (shape == "nested") {
      Add(graph, Nested(kDepthMax));
    } else if (shape == "late") {
      for (int i = 0; i < 3; ++i) Late(Add(graph, Simple()).plan);
    } else if (shape == "infeasible") {
      Infeasible(Add(graph, Simple()).plan);
      Add(graph, Simple()).arguments = {0};  // fails as its argument does
    } else {
      Mixed(graph, size, shape == "references");
    }
    return graph;
  }

  /// Draws what a task and its children ask for, always such that some node has as much.
  /// \param may_hold whether the task waits for no other while it runs. CPUs are lent out
  ///        meanwhile; a disk is not, and two tasks that hold one and wait for another would wait
  ///        for ever.
  void DrawAmounts(Plan& plan, bool may_hold) {
    for (Plan& child : *plan.mutable_children()) DrawAmounts(child, !plan.is_chained());
    if (!plan.resources().empty() || !random_.Chance(config_.other_amounts_share)) return;
    static constexpr double kCpus[] = {0, 0.25, 0.5, 1, 2, 3};
    auto& amounts = *plan.mutable_resources();
    amounts[std::string(kCpu)] = kCpus[random_.Below(std::size(kCpus))];
    if (may_hold && plan.children().empty() && random_.Chance(0.5)) {
      amounts[std::string(kDisk)] = random_.Chance(0.5) ? 1 : 0.5;
    }
    // Back to one CPU, which every node has.
    if (!HasNodeFor(plan)) amounts.clear();
  }

  [[nodiscard]] bool HasNodeFor(const Plan& plan) const {
    const ResourceSet wanted = ToResources(plan.resources());
    return std::ranges::any_of(nodes_,
                               [&](const ResourceSet& node) { return node.Covers(wanted); });
  }

  [[nodiscard]] Random& random() { return random_; }

 private:
  using Indexes = std::vector<std::size_t>;

  Plan Simple() {
    --left_;
    Plan plan;
    plan.set_id(oracle_.NewId());
    plan.set_constant(random_.Next());
    plan.set_time_us(config_.task_time_us.Draw(random_));
    plan.set_value_bytes(static_cast<std::uint32_t>(config_.value_bytes.Draw(random_)));
    plan.set_max_retries(random_.Chance(config_.no_retry_share)
                             ? 0
                             : static_cast<std::int32_t>(config_.max_retries.Draw(random_)));
    return plan;
  }

  /// Only a node that joins late has what this asks for, if one joins at all.
  void Late(Plan& plan) {
    (*plan.mutable_resources())[std::string(kLate)] = 1;
    plan.set_time_us(kLateTaskTimeUs);
  }

  /// No node ever has what this asks for, by amount or by kind.
  void Infeasible(Plan& plan) {
    const bool is_by_kind = random_.Chance(0.5);
    const std::int64_t too_many = config_.cpus.max + 1;
    (*plan.mutable_resources())[std::string(is_by_kind ? kUnicorn : kCpu)] =
        is_by_kind ? 1 : static_cast<double>(too_many);
  }

  Plan Nested(std::uint32_t depth) {
    Plan plan = Simple();
    if (depth == 0 || left_ <= 0) return plan;
    // Its children run while it waits for them, so a deep tree needs more workers than there are
    // CPUs.
    const std::uint64_t count = 1 + random_.Below(3);
    for (std::uint64_t i = 0; i < count && left_ > 0; ++i) {
      *plan.add_children() = random_.Chance(0.4) ? Nested(depth - 1) : Simple();
    }
    plan.set_is_chained(random_.Chance(0.5));
    const double kind = random_.Unit();
    if (kind < 0.2) plan.set_inner(CHILD);
    if (kind >= 0.2 && kind < 0.4 && plan.children_size() > 0) plan.set_inner(UNFINISHED);
    return plan;
  }

  /// Any earlier item may be an argument, or a reference inside one.
  void Mixed(Graph& graph, std::size_t size, bool many_references) {
    for (std::size_t i = 0; i < size && left_ > 0; ++i) {
      if (random_.Chance(0.2)) {
        Add(graph, Simple()).is_put = true;
        continue;
      }
      Item& item = Add(graph, random_.Chance(0.3) ? Nested(1) : Simple());
      for (std::size_t j = 0; j < i; ++j) {
        if (random_.Chance(1.5 / static_cast<double>(i))) {
          (random_.Chance(many_references ? 0.6 : 0.2) ? item.contained : item.arguments)
              .push_back(j);
        }
      }
      // What the value refers to: something that its task has Put, or something that it was given.
      // The reader then borrows an object whose owner it has never talked to.
      if (item.plan.inner() != NONE) continue;
      const double kind = random_.Unit();
      const double share = many_references ? 0.35 : 0.1;
      if (kind < share) item.plan.set_inner(PUT);
      if (kind > 1 - share && !item.contained.empty()) item.plan.set_inner(CONTAINED);
    }
  }

  static Item& Add(Graph& graph, Plan plan) {
    graph.items.emplace_back().plan = std::move(plan);
    return graph.items.back();
  }

  const SimConfig& config_;
  const std::vector<ResourceSet>& nodes_;
  Random random_;
  Oracle& oracle_;
  std::int64_t left_ = 0;
};

std::string DrawShape(const SimConfig& config, Random& random) {
  double sum = 0;
  for (const auto& [shape, weight] : config.shapes) sum += weight;
  double at = random.Unit() * sum;
  for (const auto& [shape, weight] : config.shapes) {
    at -= weight;
    if (at < 0) return shape;
  }
  return config.shapes.begin()->first;
}

std::int64_t CountTasks(const Plan& plan) {
  std::int64_t count = 1;
  for (const Plan& child : plan.children()) count += CountTasks(child);
  return count;
}

}  // namespace

std::vector<Graph> MakeGraphs(const SimConfig& config, const std::vector<ResourceSet>& nodes,
                              std::int64_t tasks, const std::string& who, Random random,
                              Oracle& oracle) {
  Maker maker(config, nodes, random, oracle);
  std::vector<Graph> graphs;
  while (tasks > 0) {
    const std::string shape = DrawShape(config, maker.random());
    Graph graph = maker.Make(shape, fmt::format("{}.{}{}", who, shape, graphs.size()), tasks);
    // The oracle is told of all objects in the order of their making, so that it knows the
    // arguments of each task before the task.
    std::vector<bool> is_used(graph.items.size());
    for (std::size_t i = 0; i < graph.items.size(); ++i) {
      Item& item = graph.items[i];
      const std::string name = fmt::format("{}#{}", graph.name, i);
      tasks -= CountTasks(item.plan);
      if (item.is_put) {
        oracle.AddPut(item.plan.id(), item.plan.constant(), name);
        continue;
      }
      const auto ids = [&](const std::vector<std::size_t>& indexes) {
        std::vector<std::uint32_t> found;
        for (const std::size_t index : indexes) {
          found.push_back(graph.items[index].plan.id());
          is_used[index] = true;
        }
        return found;
      };
      const std::vector<std::uint32_t> arguments = ids(item.arguments);
      const std::vector<std::uint32_t> contained = ids(item.contained);
      // A task that gets something while it runs must not hold a disk meanwhile.
      const bool waits =
          !contained.empty() ||
          std::ranges::any_of(arguments, [&](std::uint32_t id) { return oracle.InnerOf(id) != 0; });
      maker.DrawAmounts(item.plan, !waits);
      const bool is_feasible = maker.HasNodeFor(item.plan);
      oracle.AddTask(
          item.plan, arguments, contained, name,
          is_feasible ? Oracle::Feasibility::kFeasible : Oracle::Feasibility::kInfeasible);
    }
    for (std::size_t i = 0; i < graph.items.size(); ++i) {  // all ends, and some on the way
      graph.items[i].is_fetched = !is_used[i] || maker.random().Chance(0.3);
    }
    graphs.push_back(std::move(graph));
  }
  return graphs;
}

}  // namespace mobula::sim
