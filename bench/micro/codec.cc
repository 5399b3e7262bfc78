// Values and frames: from a C++ value to bytes and back, as each argument and result goes.

#include <benchmark/benchmark.h>
#include <mobula/mobula.h>

#include <map>

#include "components/transport/frame.h"

namespace {

struct Order {
  std::int64_t number;
  std::string customer;
  std::vector<double> amounts;
  std::map<std::string, int> places;
};

template <typename T>
T Example();
template <>
int Example<int>() {
  return 42;
}
template <>
Order Example<Order>() {
  return {4711, "somebody", {1.5, 2.5, 3.5}, {{"here", 1}, {"there", 2}}};
}
template <>
std::vector<int> Example<std::vector<int>>() {
  return std::vector<int>(1000, 7);
}

template <typename T>
mobula::Payload Encoded() {
  const mobula::internal::SerializedValue value =
      mobula::internal::EncodeValue<T>(Example<T>()).value();
  std::string bytes(value.size, '\0');
  value.CopyTo(std::as_writable_bytes(std::span(bytes)));
  return mobula::Payload::FromString(std::move(bytes));
}

template <typename T>
void Encode(benchmark::State& state) {
  const T value = Example<T>();
  for (auto _ : state) benchmark::DoNotOptimize(mobula::internal::EncodeValue<T>(value));
}
BENCHMARK(Encode<int>);
BENCHMARK(Encode<Order>);
BENCHMARK(Encode<std::vector<int>>);

template <typename T>
void Decode(benchmark::State& state) {
  const mobula::Payload bytes = Encoded<T>();
  for (auto _ : state) {
    benchmark::DoNotOptimize(mobula::internal::DecodeValue<T>(bytes, nullptr));
  }
}
BENCHMARK(Decode<int>);
BENCHMARK(Decode<Order>);
BENCHMARK(Decode<std::vector<int>>);

void FrameHeader(benchmark::State& state) {
  mobula::transport::FrameHeader header;
  header.method = 0x0302;
  header.body_bytes = 64;
  const mobula::transport::ConnectionLimits limits;
  for (auto _ : state) {
    const auto bytes = mobula::transport::EncodeFrameHeader(header);
    benchmark::DoNotOptimize(mobula::transport::DecodeFrameHeader(bytes, limits));
  }
}
BENCHMARK(FrameHeader);

}  // namespace
