/// \file
/// \brief Rows of a benchmark run: value, its physical floor measured in the same run, the ratio.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace bench {

/// Seconds on the steady clock.
[[nodiscard]] inline double Now() {
  using Seconds = std::chrono::duration<double>;
  return Seconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// One measured line. Rates: `ratio` is value / floor; times: floor / value; so 1 is the best.
struct Row {
  std::string name;
  double value = 0;
  std::string unit;
  std::optional<double> p50_us = {};  ///< Latency rows only.
  std::optional<double> p99_us = {};
  double floor = 0;
  std::string floor_name;
  double ratio = 0;
};

/// \return the `fraction` quantile; 0 of nothing.
[[nodiscard]] inline double Quantile(std::vector<double> values, double fraction) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  const auto index = static_cast<std::size_t>(fraction * static_cast<double>(values.size() - 1));
  return values[index];
}

/// What the machine itself can do, measured now. See floors.cc for each probe.
using Floors = std::map<std::string, double>;
[[nodiscard]] Floors MeasureFloors(bool quick);

/// How to run.
struct Settings {
  bool quick = false;
  std::string binaries;  ///< Folder of `node`.
};

/// What is run as a whole, and the rows that come of it. It starts what it needs and leaves nothing
/// behind.
struct Workload {
  std::string name;
  std::vector<std::string> rows;
  std::function<std::vector<Row>(const Settings&, const Floors&)> run;
};
[[nodiscard]] std::vector<Workload> Workloads();

/// In a worker process of a workload: serves its tasks and does not return.
void ServeIfWorker(int argc, char** argv);
/// Children of the benchmark that are programs of their own: \return true if `argv` says so.
bool RunAsChild(int argc, char** argv);

}  // namespace bench
