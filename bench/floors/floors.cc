// The floor block: all probes, in one run with the rows.

#include "bench/floors/probes.h"
#include "bench/report.h"

namespace bench {

Floors MeasureFloors(bool quick) {
  const std::size_t large = (quick ? 32U : 100U) << 20;
  const int rounds = quick ? 3 : 7;
  return {{"spin_round_trip_us", SpinRoundTrip(quick ? 500 : 5'000)},
          {"parked_round_trip_us", ParkedRoundTrip(quick ? 100 : 1'000, Cores::kAny)},
          {"parked_one_core_us", ParkedRoundTrip(quick ? 100 : 1'000, Cores::kOne)},
          {"parked_two_cores_us", ParkedRoundTrip(quick ? 100 : 1'000, Cores::kTwo)},
          {"socket_round_trip_us", SocketRoundTrip(quick ? 2'000 : 10'000)},
          {"ring_tasks_per_s", RingTasks(quick ? 200 : 2'000, rounds)},
          {"memcpy_gb_s", Memcpy(large, rounds)},
          {"raw_tcp_gb_s", RawTcp(large, rounds)},
          {"spawn_ms", Spawn(quick ? 10 : 50)},
          {"fork_ms", Fork(quick ? 10 : 50)},
          {"system_call_us", SystemCall()},
          {"allocation_us", Allocation()},
          {"scan_32_us", Scan32()}};
}

}  // namespace bench
