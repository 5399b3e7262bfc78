// The binary `mobula_bench`: every workload beside the physical floor of the same run.

#include <sys/utsname.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
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

std::string ToJson(const bench::Floors& floors, const std::vector<Row>& rows) {
  std::string json = "{\"machine\": \"" + Machine() + "\", \"floor\": {";
  char text[512];
  const char* comma = "";
  for (const auto& [name, value] : floors) {
    std::snprintf(text, sizeof text, "%s\"%s\": %.6g", comma, name.c_str(), value);
    json += text;
    comma = ", ";
  }
  json += "}, \"rows\": [";
  comma = "\n  ";
  for (const Row& row : rows) {
    std::snprintf(text, sizeof text,
                  "%s{\"row\": \"%s\", \"value\": %.6g, \"unit\": \"%s\", \"p50_us\": %.6g, "
                  "\"p99_us\": %.6g, \"floor\": %.6g, \"floor_name\": \"%s\", \"ratio\": %.6g}",
                  comma, row.name.c_str(), row.value, row.unit.c_str(), row.p50_us, row.p99_us,
                  row.floor, row.floor_name.c_str(), row.ratio);
    json += text;
    comma = ",\n  ";
  }
  return json + "\n]}\n";
}

void Print(const Row& row) {
  std::printf("%-20s %12.4g %-5s", row.name.c_str(), row.value, row.unit.c_str());
  if (row.p50_us > 0) {
    std::printf("  p50 %10.1f us  p99 %10.1f us", row.p50_us, row.p99_us);
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

}  // namespace

int main(int argc, char** argv) {
  bench::Settings settings;
  settings.binaries = BinaryFolder();
  if (bench::RunAsChild(argc, argv)) return 0;
  bench::ServeIfWorker(argc, argv);
  CLI::App app("Measures Mobula beside the physical floor of this machine, in one run.");
  std::string only;
  std::string json;
  app.add_option("--only", only, "one workload: task_sync, task_async, small_objects, …");
  app.add_option("--json", json, "also write the rows to a file");
  app.add_flag("--quick", settings.quick, "fewer rounds: a look, not a measurement");
  CLI11_PARSE(app, argc, argv);

  std::printf("machine: %s\n", Machine().c_str());
  const bench::Floors floors = bench::MeasureFloors(settings.quick);
  for (const auto& [name, value] : floors) std::printf("floor %-24s %10.4g\n", name.c_str(), value);
  std::vector<Row> rows;
  bool is_known = only.empty();
  for (const auto& [name, run] : bench::Workloads()) {
    if (!only.empty() && only != name) continue;
    is_known = true;
    for (Row& row : run(settings, floors)) {
      Print(row);
      rows.push_back(std::move(row));
    }
  }
  if (!is_known) {
    std::string known;
    for (const auto& [name, run] : bench::Workloads()) known += " " + name;
    std::fprintf(stderr, "no workload '%s'; known:%s\n", only.c_str(), known.c_str());
    return 2;
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
