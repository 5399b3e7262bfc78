// \edge: a helper whose header says all that a caller needs
//
// Sizes and times as people write them; declared in config_value.h.
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>

#include "components/base/config_value.h"

namespace mobula {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};

constexpr double kKi = 1024;
constexpr std::array<Unit, 16> kSizeUnits = {{{"", 1},
                                              {"B", 1},
                                              {"k", 1e3},
                                              {"kB", 1e3},
                                              {"KB", 1e3},
                                              {"MB", 1e6},
                                              {"GB", 1e9},
                                              {"TB", 1e12},
                                              {"Ki", 0x1p10},
                                              {"KiB", 0x1p10},
                                              {"Mi", 0x1p20},
                                              {"MiB", 0x1p20},
                                              {"Gi", 0x1p30},
                                              {"GiB", 0x1p30},
                                              {"Ti", 0x1p40},
                                              {"TiB", 0x1p40}}};
constexpr std::array<Unit, 6> kTimeUnits = {
    {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"min", 60e9}, {"h", 3600e9}}};

/// \return the number and unit of `text` multiplied, below zero if it makes no sense.
template <std::size_t N>
double Parse(std::string_view text, const std::array<Unit, N>& units) {
  double number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || !std::isfinite(number)) return -1;
  std::string_view unit = text.substr(static_cast<std::size_t>(rest - text.data()));
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  for (const auto& [name, factor] : units) {
    if (name == unit) return number * factor;
  }
  return -1;
}

/// \return `value` with three digits or all before the point, without trailing zeros.
std::string Digits(double value) {
  const int decimals = (value < 99.95 ? 1 : 0) + (value < 9.995 ? 1 : 0);
  std::string text = fmt::format("{:.{}f}", value, decimals);
  if (decimals > 0) text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

/// \return `value` in the largest of `units` that leaves at least one of it.
std::string Scaled(double value, double step, std::initializer_list<std::string_view> units) {
  const auto* unit = units.begin();
  for (; value >= step - 0.5 && unit + 1 < units.end(); ++unit) value /= step;
  return fmt::format("{} {}", Digits(value), *unit);
}

}  // namespace

Result<std::uint64_t> ParseSize(std::string_view text) {
  const double bytes = Parse(text, kSizeUnits);
  if (bytes < 0 || bytes >= 0x1p63) {
    return Fail(ErrorCode::kInvalidArgument, "'{}' is not a size such as 512MiB or 4GB", text);
  }
  return static_cast<std::uint64_t>(std::llround(bytes));
}

Result<Duration> ParseTime(std::string_view text) {
  const double time_ns = text == "0" ? 0 : Parse(text, kTimeUnits);
  if (time_ns < 0 || time_ns >= 0x1p63) {
    return Fail(ErrorCode::kInvalidArgument, "'{}' is not a time such as 250ms, 5s or 2min", text);
  }
  return Duration(std::llround(time_ns));
}

std::string FormatSize(std::uint64_t bytes) {
  return Scaled(static_cast<double>(bytes), kKi, {"B", "KiB", "MiB", "GiB", "TiB"});
}

std::string FormatTime(Duration time) {
  const auto time_ns = static_cast<double>(time.count());
  return (time_ns < 0 ? "-" : "") + Scaled(std::abs(time_ns), 1000, {"ns", "us", "ms", "s"});
}

}  // namespace mobula
