#include "bench/report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <thread>

namespace bench {
namespace {

/// \return it as JSON has it: what was not measured, or divided by nothing, is null.
std::string Number(std::optional<double> value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value.value_or(0));
  return value && std::isfinite(*value) ? text : "null";
}

std::string Quoted(const std::string& text) { return '"' + text + '"'; }

std::string RowToJson(const Row& row) {
  std::string rounds;
  for (const double one : row.rounds) rounds += (rounds.empty() ? "" : ", ") + Number(one);
  return "{\"row\": " + Quoted(row.name) + ", \"value\": " + Number(row.value) +
         ", \"unit\": " + Quoted(row.unit) + ", \"p50_us\": " + Number(row.p50_us) +
         ", \"p99_us\": " + Number(row.p99_us) + ", \"floor\": " + Number(row.floor.value) +
         ", \"floor_name\": " + Quoted(row.floor.name) + ", \"ratio\": " + Number(row.ratio) +
         ", \"rounds\": [" + rounds + "]}";
}

std::optional<double> Ratio(double of, double to) {
  return to > 0 ? std::optional(of / to) : std::nullopt;
}

}  // namespace

void Gap(std::chrono::milliseconds length) { std::this_thread::sleep_for(length); }

double Quantile(std::vector<double> values, double fraction) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  const auto index = static_cast<std::size_t>(fraction * static_cast<double>(values.size() - 1));
  return values[index];
}

double Median(const std::vector<double>& values) { return Quantile(values, 0.5); }

Row Rate(std::string name, std::string unit, std::vector<double> rounds, Floor floor) {
  Row row{.name = std::move(name),
          .value = Median(rounds),
          .unit = std::move(unit),
          .floor = std::move(floor),
          .rounds = std::move(rounds)};
  row.ratio = Ratio(row.value, row.floor.value);
  return row;
}

Row Cost(std::string name, std::string unit, std::vector<double> rounds, Floor floor) {
  Row row = Rate(std::move(name), std::move(unit), std::move(rounds), std::move(floor));
  row.ratio = row.floor.value > 0 ? Ratio(row.floor.value, row.value) : std::nullopt;
  return row;
}

Row Latency(std::string name, const std::vector<std::vector<double>>& rounds_us, Floor floor_us) {
  std::vector<double> rates;
  std::vector<double> medians;
  std::vector<double> tails;
  for (const std::vector<double>& times : rounds_us) {
    medians.push_back(Median(times));
    tails.push_back(Quantile(times, 0.99));
    rates.push_back(1e6 / medians.back());
  }
  Row row = Rate(std::move(name), "1/s", std::move(rates),
                 {1e6 / floor_us.value, std::move(floor_us.name)});
  row.p50_us = Median(medians);
  row.p99_us = Median(tails);
  return row;
}

std::string ToJson(const std::string& machine, const Floors& floors, const std::vector<Row>& rows) {
  std::string json = "{\"machine\": " + Quoted(machine) + ", \"floor\": {";
  const char* comma = "";
  for (const auto& [name, value] : floors) {
    json += comma + Quoted(name) + ": " + Number(value);
    comma = ", ";
  }
  json += "}, \"rows\": [";
  comma = "\n  ";
  for (const Row& row : rows) {
    json += comma + RowToJson(row);
    comma = ",\n  ";
  }
  return json + "\n]}\n";
}

void Print(const Row& row) {
  std::printf("%-22s %11.4g %-5s", row.name.c_str(), row.value, row.unit.c_str());
  if (row.p50_us && row.p99_us) {
    std::printf("  p50 %9.1f us  p99 %9.1f us", *row.p50_us, *row.p99_us);
  } else {
    std::printf("  %35s", "");
  }
  std::printf("  ratio %8s  floor %10.4g (%s)", Number(row.ratio).c_str(), row.floor.value,
              row.floor.name.c_str());
  if (!row.rounds.empty()) {
    std::printf("  rounds %.4g..%.4g", *std::ranges::min_element(row.rounds),
                *std::ranges::max_element(row.rounds));
  }
  std::printf("\n");
  std::fflush(stdout);
}

}  // namespace bench
