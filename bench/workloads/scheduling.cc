// Who runs what: decisions of the default policy over clusters of many sizes, grants of one raylet.

#include "bench/workloads/decider.h"
#include "bench/workloads/lease_client.h"
#include "bench/workloads/workloads.h"

namespace bench {

std::vector<Row> Decisions(const Settings& settings, const Floors& floors) {
  std::vector<Row> rows;
  const int count = settings.Size(100'000);
  for (const auto& [name, nodes] : {std::pair("decisions_10", 10),
                                    {"decisions_100", 100},
                                    {"decisions_1k", 1'000},
                                    {"decisions_10k", 10'000}}) {
    Decider decider("hybrid", nodes);
    const auto run = [&] {
      return count / Timed([&] {
               for (int i = 0; i < count; ++i) decider.DecideOnce();
             });
    };
    rows.push_back(Rate(name, "1/s", Repeat(settings, run),
                        {1e6 / floors.at("scan_32_us"), "a look at 32 nodes"}));
  }
  return rows;
}

std::vector<Row> LeaseGrants(const Settings& settings, const Floors& floors) {
  const Nodes nodes(settings.binaries, 1);
  LeaseClient client(nodes);
  const int count = settings.Size(20'000);
  (void)client.Grants(100);  // starts the workers
  const auto run = [&] {
    int granted = 0;
    const double seconds = Timed([&] { granted = client.Grants(count); });
    return granted / seconds;
  };
  return {Rate("lease_grants", "1/s", Repeat(settings, run),
               {floors.at("ring_tasks_per_s"), "bare ring"})};
}

}  // namespace bench
