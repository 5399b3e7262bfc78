// The binary `mobula_bench`: every workload beside the physical floor of the same run.

#include <sys/utsname.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <fstream>
#include <thread>

#include "bench/report.h"
#include "bench/workloads/workloads.h"

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

int RefuseUnknown(const std::string& only) {
  std::string known;
  for (const bench::Workload& one : bench::Workloads()) {
    known += "\n  " + one.name + ":";
    for (const std::string& row : one.rows) known += " " + row;
  }
  std::fprintf(stderr, "no row or workload '%s'; known (workload: rows):%s\n", only.c_str(),
               known.c_str());
  return 2;
}

/// Measures and prints the wanted rows.
std::vector<Row> Measure(const std::vector<bench::Workload>& chosen, const std::string& only,
                         const bench::Settings& settings, const bench::Floors& floors) {
  std::vector<Row> rows;
  for (const bench::Workload& workload : chosen) {
    for (Row& row : workload.run(settings, floors)) {
      if (!IsWanted(workload, row.name, only)) continue;
      bench::Print(row);
      rows.push_back(std::move(row));
    }
  }
  return rows;
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
  app.add_flag("--quick", settings.quick, "fewer rounds, smaller sizes: a look");
  app.add_option("--rounds", settings.only_rounds, "instead of 5, or 2 with --quick")
      ->check(CLI::Range(1, 10'000));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const std::vector<bench::Workload> chosen = Choose(only);
  if (chosen.empty()) return RefuseUnknown(only);

  const std::string machine = Machine();
  std::printf("machine: %s%s\n", machine.c_str(),
              settings.quick ? " (--quick: no measurement)" : "");
  const bench::Floors floors = bench::MeasureFloors(settings.quick);
  for (const auto& [name, value] : floors) std::printf("floor %-24s %10.4g\n", name.c_str(), value);
  const std::vector<Row> rows = Measure(chosen, only, settings, floors);
  if (json.empty()) return 0;
  std::ofstream file(json);
  file << bench::ToJson(machine, floors, rows);
  file.close();
  if (file) return 0;
  std::fprintf(stderr, "cannot write %s\n", json.c_str());
  return 1;
}
