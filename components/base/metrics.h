/// \file
/// \edge
/// \brief Counters and gauges by name, for `status`, tests and later Prometheus.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace mobula {

/// Named numbers of one process. Threads: the state lock. Lifetime: references stay valid for the
/// life of the `Metrics`. Cost: look a counter up once and keep the reference; then one add.
class Metrics {
 public:
  /// \return the counter of this name, made on first use. Names are `subject_what_unit`.
  [[nodiscard]] std::int64_t& Counter(std::string_view name) {
    const auto it = values_.find(name);
    return it != values_.end() ? it->second : values_.emplace(std::string(name), 0).first->second;
  }
  [[nodiscard]] const std::map<std::string, std::int64_t, std::less<>>& values() const {
    return values_;
  }

 private:
  std::map<std::string, std::int64_t, std::less<>> values_;
};

}  // namespace mobula
