// \edge: a helper whose header says all that a caller needs
#include "components/base/event_log.h"

#include <fmt/format.h>

#include <iterator>

namespace mobula {

void EventLog::Write(LogLevel level, std::string_view subject, std::string_view event,
                     std::string_view details) {
  const double seconds = std::chrono::duration<double>(clock_->Now().time_since_epoch()).count();
  fmt::memory_buffer line;
  fmt::format_to(std::back_inserter(line), "{:8.3f}s  {}  {:<7} {:<8}{}{}", seconds, who_, subject,
                 event, details.empty() ? "" : " ", details);
  for (char& c : line) {
    // One event is one line, whatever a user named his task.
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  std::size_t size = line.size();
  while (size > 0 && line[size - 1] == ' ') --size;
  sink_(level, {line.data(), size});
}

}  // namespace mobula
