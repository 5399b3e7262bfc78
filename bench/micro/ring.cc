// Rings in one thread, where no line has to move: the bare one of the floors, and the real one of
// connections between processes.

#include <benchmark/benchmark.h>

#include <memory>
#include <vector>

#include "bench/floors/ring.h"
#include "components/transport/shared_memory/ring.h"

namespace {

void BareRing(benchmark::State& state) {
  const auto ring = std::make_unique<bench::Ring>();
  std::vector<bench::Descriptor> batch(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(ring->Push(batch.data(), batch.size()));
    benchmark::DoNotOptimize(ring->Pop(batch.data(), batch.size()));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BareRing)->Arg(1)->Arg(32)->Arg(1000);

void TransportRing(benchmark::State& state) {
  mobula::transport::RingState shared{};
  std::vector<std::byte> memory(1 << 20);
  mobula::transport::RingWriter writer(shared, memory);
  mobula::transport::RingReader reader(shared, memory);
  std::vector<std::byte> bytes(static_cast<std::size_t>(state.range(0)));
  const iovec part{bytes.data(), bytes.size()};
  for (auto _ : state) {
    benchmark::DoNotOptimize(writer.Write(std::span(&part, 1)));
    benchmark::DoNotOptimize(reader.Read({}, bytes));
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(TransportRing)->Arg(64)->Arg(4096)->Arg(64 << 10);

}  // namespace
