// The binary `mobula_bench`: every workload beside the physical floor of the same run.

#include <sys/utsname.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cmath>
#include <fstream>
#include <iostream>
#include <thread>

#include "bench/report.h"

namespace {

using bench::Row;

std::string Machine() {
  std::ifstream cpu("/proc/cpuinfo");
  std::string model = "unknown CPU";
  for (std::string line; std::getline(cpu, line);) {
    if (line.starts_with("model name")) {
      model = line.substr(line.find(':') + 2);
      break;
    }
  }
  utsname kernel{};
  ::uname(&kernel);
  return std::to_string(std::thread::hardware_concurrency()) + " x " + model + ", Linux " +
         kernel.release;
}

/// \return it as JSON has it: what was not measured, or divided by nothing, is null.
std::string Number(std::optional<double> value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value.value_or(0));
  return value && std::isfinite(*value) ? text : "null";
}

std::string ToJson(const bench::Floors& floors, const std::vector<Row>& rows) {
  std::string json = R"({"machine": ")" + Machine() + R"(", "floor": {)";
  const char* comma = "";
  for (const auto& [name, value] : floors) {
    json += comma + ("\"" + name) + "\": " + Number(value);
    comma = ", ";
  }
  json += "}, \"rows\": [";
  comma = "\n  ";
  for (const Row& row : rows) {
    json += comma + (R"({"row": ")" + row.name) + R"(", "value": )" + Number(row.value) +
            R"(, "unit": ")" + row.unit + R"(", "p50_us": )" + Number(row.p50_us) +
            R"(, "p99_us": )" + Number(row.p99_us) + R"(, "floor": )" + Number(row.floor) +
            R"(, "floor_name": ")" + row.floor_name + R"(", "ratio": )" + Number(row.ratio) + "}";
    comma = ",\n  ";
  }
  return json + "\n]}\n";
}

void Print(const Row& row) {
  std::printf("%-20s %12.4g %-5s", row.name.c_str(), row.value, row.unit.c_str());
  if (row.p50_us && row.p99_us) {
    std::printf("  p50 %10.1f us  p99 %10.1f us", *row.p50_us, *row.p99_us);
  } else {
    std::printf("  %37s", "");
  }
  std::printf("  floor %10.4g (%s)  ratio %.3f\n", row.floor, row.floor_name.c_str(), row.ratio);
  std::fflush(stdout);
}

std::string BinaryFolder() {
  std::array<char, 4096> path{};
  const ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size() - 1);
  const std::string full(path.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  return full.substr(0, full.rfind('/'));
}

/// \return whether `only` is a workload, all rows of which are wanted, or one of its rows.
bool IsWanted(const bench::Workload& workload, const std::string& row, const std::string& only) {
  return only.empty() || only == workload.name || only == row;
}

/// \return the workloads with wanted rows; none for a name that is unknown.
std::vector<bench::Workload> Choose(const std::string& only) {
  std::vector<bench::Workload> chosen = bench::Workloads();
  std::erase_if(chosen, [&](const bench::Workload& one) {
    return std::ranges::none_of(one.rows,
                                [&](const std::string& row) { return IsWanted(one, row, only); });
  });
  return chosen;
}

}  // namespace

int main(int argc, char** argv) {
  bench::Settings settings;
  settings.binaries = BinaryFolder();
  if (bench::RunAsChild(argc, argv)) return 0;
  bench::ServeIfWorker(argc, argv);
  CLI::App app("Measures Mobula beside the physical floor of this machine, in one run.");
  std::string only;
  std::string json;
  app.add_option("--only", only, "one row, such as put_small, or the rows of one workload");
  app.add_option("--json", json, "also write the rows to a file");
  app.add_flag("--quick", settings.quick, "fewer rounds: a look, not a measurement");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const std::vector<bench::Workload> chosen = Choose(only);
  if (chosen.empty()) {
    std::string known;
    for (const bench::Workload& one : bench::Workloads()) {
      known += "\n  " + one.name + ":";
      for (const std::string& row : one.rows) known += " " + row;
    }
    std::fprintf(stderr, "no row or workload '%s'; known (workload: rows):%s\n", only.c_str(),
                 known.c_str());
    return 2;
  }

  std::printf("machine: %s\n", Machine().c_str());
  const bench::Floors floors = bench::MeasureFloors(settings.quick);
  for (const auto& [name, value] : floors) std::printf("floor %-24s %10.4g\n", name.c_str(), value);
  std::vector<Row> rows;
  for (const bench::Workload& workload : chosen) {
    for (Row& row : workload.run(settings, floors)) {
      if (!IsWanted(workload, row.name, only)) continue;
      Print(row);
      rows.push_back(std::move(row));
    }
  }
  if (!json.empty()) {
    std::ofstream file(json);
    file << ToJson(floors, rows);
    if (!file) {
      std::fprintf(stderr, "cannot write %s\n", json.c_str());
      return 1;
    }
  }
  return 0;
}
