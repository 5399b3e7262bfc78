/// \file
/// \brief One event per line: what changed, where and when.
///
/// The line is `  12.340s  n2  lease   granted  task=7 worker=3`: time since start, who, subject,
/// event, then key=value. It is what people read, what golden scripts compare and what the
/// simulator's digest hashes; so state *changes* are logged, not steps, and nothing at `info` per
/// message or task.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "components/base/event_loop.h"

namespace mobula {

enum class LogLevel : std::uint8_t { kError, kInfo, kDebug };

/// Where finished lines go. Threads: calls must not overlap.
using LogSink = std::function<void(LogLevel level, std::string_view line)>;

/// Writes the events of one node or process.
///
/// Threads: the state lock. Lifetime: clock outlives it. Cost: one formatted line, none if the
/// level is off.
class EventLog {
 public:
  /// \param who the third column: "n2", "gcs", "driver".
  EventLog(const Clock& clock, std::string who, LogLevel level_max, LogSink sink)
      : clock_(&clock), who_(std::move(who)), level_max_(level_max), sink_(std::move(sink)) {}

  [[nodiscard]] bool IsOn(LogLevel level) const { return level <= level_max_ && sink_ != nullptr; }

  /// `log.Info("lease", "granted", "task={} worker={}", task, worker);`
  template <typename... Args>
  void Info(std::string_view subject, std::string_view event, fmt::format_string<Args...> format,
            Args&&... args) {
    if (IsOn(LogLevel::kInfo)) {
      Write(LogLevel::kInfo, subject, event, fmt::format(format, std::forward<Args>(args)...));
    }
  }
  template <typename... Args>
  void Debug(std::string_view subject, std::string_view event, fmt::format_string<Args...> format,
             Args&&... args) {
    if (IsOn(LogLevel::kDebug)) {
      Write(LogLevel::kDebug, subject, event, fmt::format(format, std::forward<Args>(args)...));
    }
  }
  template <typename... Args>
  void Error(std::string_view subject, std::string_view event, fmt::format_string<Args...> format,
             Args&&... args) {
    if (IsOn(LogLevel::kError)) {
      Write(LogLevel::kError, subject, event, fmt::format(format, std::forward<Args>(args)...));
    }
  }

 private:
  void Write(LogLevel level, std::string_view subject, std::string_view event,
             std::string_view details);

  const Clock* clock_;
  std::string who_;
  LogLevel level_max_;
  LogSink sink_;
};

/// \return a sink that writes lines to a file descriptor, in one `write` each.
[[nodiscard]] LogSink FileDescriptorSink(int fd);

}  // namespace mobula
