#include "sim/driver.h"

namespace mobula::sim {

namespace {

core_worker::AssemblyOptions OptionsOf(std::string raylet_endpoint) {
  core_worker::AssemblyOptions options;
  options.program.set_hash("the simulated program");
  options.program.set_build("simulated");
  options.is_driver = true;
  options.raylet_endpoint = std::move(raylet_endpoint);
  options.pid = 1;
  return options;
}

}  // namespace

Driver::Driver(World& world, std::string name, std::string raylet_endpoint,
               std::vector<Graph> graphs)
    : world_(world),
      random_(world.loop.random().Fork(name + ".work")),
      graphs_(std::move(graphs)),
      doing_(graphs_.size(), "joining"),
      graphs_left_(graphs_.size()),
      process_(world, std::move(name), OptionsOf(std::move(raylet_endpoint))),
      program_(world, process_.loop(), process_.core(), nullptr) {}

Driver::~Driver() {
  // A killed process runs no more code, so its coroutines go before what they use.
  Kill();
  tasks_.Stop();
}

void Driver::Start() {
  // A driver is killed by the plan, or works to its end. It never has a reason to end by itself: no
  // fault hurts the head, and drivers live beside it.
  process_.OnEnd([this](const Error& why) {
    world_.Violate("driver {} must end, though its node lives: {}", process_.name(),
                   why.ToString());
  });
  process_.Start([this](Result<void> joined) {
    if (!joined) {
      return world_.Violate("driver {} cannot join: {}", process_.name(),
                            joined.error().ToString());
    }
    // The graphs run side by side in one process, as threads of a user's program would.
    for (std::size_t i = 0; i < graphs_.size(); ++i) {
      tasks_.Spawn<void>(Work(i), [this, i](Result<void>) {
        doing_[i].clear();
        --graphs_left_;
      });
    }
  });
}

Task<void> Driver::Work(std::size_t index) {
  const Graph& graph = graphs_[index];
  const auto pause = [this](std::uint64_t us_max) {
    return std::chrono::microseconds(random_.Below(us_max));
  };
  // Some begin before the faults and some among them.
  co_await program_.Sleep(pause(1'000'000));
  std::vector<Known> known(graph.items.size());
  std::vector<std::size_t> uses(graph.items.size());
  for (const Item& item : graph.items) {
    for (const std::size_t used : item.arguments) ++uses[used];
    for (const std::size_t used : item.contained) ++uses[used];
  }
  for (std::size_t i = 0; i < graph.items.size(); ++i) {
    const Item& item = graph.items[i];
    doing_[index] = "submitting " + world_.oracle.NameOf(item.plan.id());
    if (random_.Chance(0.3)) co_await program_.Sleep(pause(20'000));
    known[i].id = item.plan.id();
    // An argument is passed by its reference. Nothing is known of its value yet, and its task may
    // not have begun.
    if (item.is_put) {
      Result<internal::ReferencePtr> put =
          co_await program_.Put(item.plan.constant(), item.plan.value_bytes());
      if (!put) {
        world_.Violate("Put of {} failed: {}", world_.oracle.NameOf(item.plan.id()),
                       put.error().ToString());
        co_return {};
      }
      known[i].reference = std::move(*put);
    } else {
      std::vector<Known> arguments;
      std::vector<Known> contained;
      for (const std::size_t used : item.arguments) arguments.push_back(known[used]);
      for (const std::size_t used : item.contained) contained.push_back(known[used]);
      known[i].reference = program_.Submit(item.plan, arguments, contained);
    }
    const auto drop_last_use = [&](std::size_t used) {  // as user code does: as early as possible
      if (--uses[used] == 0 && !graph.items[used].is_fetched) known[used].reference.reset();
    };
    for (const std::size_t used : item.arguments) drop_last_use(used);
    for (const std::size_t used : item.contained) drop_last_use(used);
  }
  // Results are read in any order, and each reference is dropped with the reading: `Read` takes it.
  while (true) {
    std::vector<std::size_t> wanted;
    for (std::size_t i = 0; i < known.size(); ++i) {
      if (known[i].reference != nullptr) wanted.push_back(i);
    }
    if (wanted.empty()) break;
    const std::size_t next = wanted[random_.Below(wanted.size())];
    doing_[index] = "getting " + world_.oracle.NameOf(known[next].id);
    if (random_.Chance(0.3)) co_await program_.Sleep(pause(300'000));
    // Whether the outcome is right the oracle says, inside. Even a wrong one ends only this
    // reading.
    co_await program_.Read(std::move(known[next]));
  }
  co_return {};
}

std::string Driver::Unfinished() const {
  std::string text;
  for (std::size_t i = 0; i < graphs_.size(); ++i) {
    if (!doing_[i].empty()) text += fmt::format(" {} ({})", graphs_[i].name, doing_[i]);
  }
  return process_.name() + ":" + text;
}

}  // namespace mobula::sim
