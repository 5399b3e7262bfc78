// The reference table: an object of our own from its first hold to its last.

#include <benchmark/benchmark.h>

#include "components/base/simulated/event_loop.h"
#include "components/core_worker/owner/references.h"
#include "components/transport/inprocess/inprocess_transport.h"

namespace {

namespace cw = mobula::core_worker;

/// A table of a process that talks to nobody.
class LonelyTable {
 public:
  LonelyTable() {
    mobula::protocol::Address self;
    self.set_worker_id(std::string(random_.NewId<mobula::WorkerId>().Binary()));
    table_.SetSelf(self);
  }
  mobula::internal::ReferencePtr Add(const mobula::ObjectId& id) {
    mobula::internal::ReferencePtr held = table_.NewOwned(id);
    table_.owned().SetState(id, value_);
    return held;
  }
  mobula::ObjectId NewId() { return random_.NewId<mobula::ObjectId>(); }
  /// What was dropped is taken out of the books.
  void RunPending() { loop_.RunReady(); }
  cw::ReferenceTable& table() { return table_; }

 private:
  mobula::SimulatedEventLoop loop_{1};
  mobula::Random random_{1};
  mobula::EventLog log_{loop_.clock(), "bench", mobula::LogLevel::kError, {}};
  mobula::rpc::ClientPool peers_{loop_, [](std::string_view) { return nullptr; },
                                 random_.Fork("peers"), mobula::rpc::ClientOptions()};
  std::unique_ptr<mobula::transport::Transport> nowhere_ =
      mobula::transport::MakeInprocessTransport(loop_);
  mobula::rpc::Client raylet_{loop_, *nowhere_, "inproc://nobody", random_.Fork("raylet"), {}};
  cw::ReferenceTable table_{{loop_, peers_, raylet_, log_},
                            {},
                            {[](const mobula::ObjectId&) {}, [](const mobula::ObjectId&) {}}};
  mobula::Payload value_ = mobula::Payload::FromString("ok");
};

void OwnAndDrop(benchmark::State& state) {
  LonelyTable table;
  constexpr int kBatch = 1000;
  std::vector<mobula::internal::ReferencePtr> held;
  for (auto _ : state) {
    for (int i = 0; i < kBatch; ++i) held.push_back(table.Add(table.NewId()));
    held.clear();
    table.RunPending();
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
}
BENCHMARK(OwnAndDrop);

void Peek(benchmark::State& state) {
  LonelyTable table;
  std::vector<mobula::internal::ReferencePtr> held;
  for (std::int64_t i = 0; i < state.range(0); ++i) held.push_back(table.Add(table.NewId()));
  std::size_t next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(table.table().Peek(held[next]->id));
    next = (next + 7919) % held.size();
  }
}
BENCHMARK(Peek)->Arg(100)->Arg(100'000);

}  // namespace
