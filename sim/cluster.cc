#include "sim/cluster.h"

#include <algorithm>

#include "components/base/check.h"

namespace mobula::sim {
namespace {

/// Destroys something later, when nothing of it is on the stack.
template <typename T>
void DestroyLater(World& world, std::unique_ptr<T> dead) {
  world.loop.Post([dead = std::move(dead)]() mutable { dead.reset(); });
}

}  // namespace

Cluster::Cluster(World& world) : world_(world), random_(world.loop.random().Fork("faults")) {}

Cluster::~Cluster() {
  // All fall silent before the first is destroyed, so that nobody reacts to the end of another.
  for (auto& driver : drivers_) driver->Kill();
  for (auto& node : nodes_) node->Kill();
}

void Cluster::StartNodes() {
  for (std::int64_t i = 0; i < world_.options.nodes; ++i) {
    StartNode(ResourcesOf(world_.options, i));
  }
}

void Cluster::StartNode(ResourceSet resources) {
  std::string host = fmt::format("n{}", ++last_host_);
  auto node = SimulatedNode::Make(world_, host, last_host_ == 0, std::move(resources));
  if (!node) return world_.Violate(node.error().ToString());
  nodes_.push_back(std::move(*node));
  nodes_.back()->OnMustExit([this, host](const Error& why) {
    // No plan hurts the head: if it must end, the cluster has ended, and no fault excuses that.
    if (host == nodes_.front()->host()) {
      return world_.Violate("the head {} must exit: {}", host, why.ToString());
    }
    // A partition that outlasts the heartbeat's timeout has a node declared dead. Without any fault
    // there is no reason to.
    if (world_.oracle.faults() == 0) {
      world_.Violate("{} must exit without a fault: {}", host, why.ToString());
    }
    const auto it =
        std::ranges::find_if(nodes_, [&](const auto& node) { return node->host() == host; });
    if (it != nodes_.end()) EndNode(static_cast<std::size_t>(it - nodes_.begin()));
  });
  nodes_.back()->Start([this, host](Result<void> joined) {
    if (!joined) world_.Violate("{} cannot join: {}", host, joined.error().ToString());
    ++joined_;
  });
}

void Cluster::StartDrivers() {
  // Tasks ask only for what some place of the cluster has, so that every one can run in the end:
  // but for those that are to be found infeasible.
  const std::int64_t count = world_.options.drivers;
  std::vector<ResourceSet> places;
  for (std::int64_t i = 0; i < world_.options.nodes; ++i) {
    places.push_back(ResourcesOf(world_.options, i));
  }
  if (world_.options.late_nodes > 0) places.push_back(LateResources());
  for (std::int64_t i = 0; i < count; ++i) {
    std::string name = fmt::format("n0.d{}", i);
    auto graphs = MakeGraphs(world_.config, places, (world_.options.tasks + count - 1) / count,
                             fmt::format("d{}", i), world_.loop.random().Fork(name), world_.oracle);
    drivers_.push_back(std::make_unique<Driver>(
        world_, std::move(name), nodes_.front()->local_endpoint(), std::move(graphs)));
    drivers_.back()->Start();
  }
}

void Cluster::At(Duration delay, std::function<void()> happen) {
  // The bound for liveness begins when the last fault is over, so faults to come are counted.
  ++faults_ahead_;
  world_.loop.Schedule(delay, [this, happen = std::move(happen)] {
    --faults_ahead_;
    happen();
  });
}

void Cluster::PlanFaults() {
  const auto window_us = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(world_.config.window).count());
  const auto plan = [&](std::int64_t count, auto happen) {
    for (std::int64_t i = 0; i < count; ++i) {
      At(std::chrono::microseconds(random_.Below(window_us)), happen);
    }
  };
  plan(world_.options.worker_kills, [this] { KillWorker(); });
  plan(world_.options.node_kills, [this] { KillNode(); });
  plan(world_.options.driver_kills, [this] { KillDriver(); });
  plan(world_.options.partitions, [this] { Part(); });
  plan(world_.options.late_nodes, [this] { JoinLate(); });
}

void Cluster::KillWorker() {
  std::vector<std::pair<SimulatedNode*, std::int64_t>> workers;
  for (const auto& node : nodes_) {
    for (const auto& [pid, worker] : node->launcher().workers()) workers.emplace_back(&*node, pid);
  }
  // The fault is known to the oracle before it happens: an error may be seen within the same event.
  if (workers.empty()) return;
  const auto [node, pid] = workers[random_.Below(workers.size())];
  world_.Line(LogLevel::kInfo, fmt::format("-- killing worker {}.w{}", node->host(), pid));
  world_.oracle.OnFault(Fault::kWorkerKilled);
  ++world_.counters.worker_kills;
  node->launcher().Kill(pid);
}

void Cluster::KillNode() {
  // A GCS that comes back is not simulated yet, and without it no node could join.
  if (nodes_.size() < 2) return;
  const std::size_t index = 1 + random_.Below(nodes_.size() - 1);  // the head is spared
  world_.Line(LogLevel::kInfo, "-- killing node " + nodes_[index]->host());
  ++world_.counters.node_kills;
  EndNode(index);
}

void Cluster::EndNode(std::size_t index) {
  world_.oracle.OnFault(Fault::kNodeKilled);
  nodes_[index]->Kill();
  // A killed host says nothing to anybody. Its peers notice by their connections, the GCS by the
  // silence. The new node has what the dead one had, so every task that could run before can run
  // again.
  ResourceSet resources = nodes_[index]->resources();
  DestroyLater(world_, std::move(nodes_[index]));
  nodes_.erase(nodes_.begin() + static_cast<std::ptrdiff_t>(index));
  At(std::chrono::microseconds(world_.config.restart_after_us.Draw(random_)), [this, resources] {
    // Its tasks find a place again, and those of them that were lost are run here or elsewhere.
    ++world_.counters.restarts;
    StartNode(resources);
  });
}

void Cluster::KillDriver() {
  // One always works to the end, or nothing would be left to check.
  if (drivers_.size() < 2) return;
  const std::size_t index = random_.Below(drivers_.size());
  const std::string& name = drivers_[index]->process().name();
  world_.Line(LogLevel::kInfo, "-- killing driver " + name);
  world_.oracle.OnDriverKilled(name.substr(name.find('.') + 1));  // its node's name comes first
  ++world_.counters.driver_kills;
  drivers_[index]->Kill();
  DestroyLater(world_, std::move(drivers_[index]));
  drivers_.erase(drivers_.begin() + static_cast<std::ptrdiff_t>(index));
}

void Cluster::Part() {
  if (nodes_.size() < 2) return;
  const std::string a = nodes_[random_.Below(nodes_.size())]->host();
  const std::string b = nodes_[random_.Below(nodes_.size())]->host();
  if (a == b) return;
  world_.Line(LogLevel::kInfo, fmt::format("-- parting {} and {}", a, b));
  world_.oracle.OnFault(Fault::kParted);
  ++world_.counters.partings;
  // Both directions, but between these two alone: others may reach both, which is the harder case.
  world_.network.Part(a, b);
  world_.network.Part(b, a);
  At(std::chrono::microseconds(world_.config.partition_time_us.Draw(random_)), [this] {
    world_.Line(LogLevel::kInfo, "-- healing the network");
    world_.network.Heal();
  });
}

void Cluster::JoinLate() {
  world_.Line(LogLevel::kInfo, "-- a node joins late");
  ++world_.counters.joins;
  StartNode(LateResources());
}

bool Cluster::IsWorkDone() const {
  return std::ranges::all_of(drivers_, [](const auto& driver) { return driver->IsDone(); });
}

std::string Cluster::Unfinished() const {
  std::string text;
  for (const auto& driver : drivers_) {
    if (!driver->IsDone()) text += driver->Unfinished() + "; ";
  }
  return text;
}

std::string Cluster::Leftovers() const {
  for (const auto& driver : drivers_) {
    if (std::string left = driver->process().Leftovers(); !left.empty()) return left;
  }
  for (const auto& node : nodes_) {
    if (std::string left = node->Leftovers(); !left.empty()) return left;
  }
  return {};
}

void Cluster::EndDrivers() {
  // As if they were killed, which leaves the most for others to clear up.
  for (auto& driver : drivers_) {
    driver->Kill();
    DestroyLater(world_, std::move(driver));
  }
  drivers_.clear();
}

std::string Cluster::LeftProcesses() const {
  for (const auto& node : nodes_) {
    if (std::string left = node->LeftProcesses(); !left.empty()) return left;
  }
  return {};
}

void Cluster::CheckInvariants() const {
  for (const auto& node : nodes_) node->CheckInvariants();
  for (const auto& driver : drivers_) driver->process().core().CheckInvariants();
}

}  // namespace mobula::sim
