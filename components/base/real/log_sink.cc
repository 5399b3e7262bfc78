// \edge: the operating system behind a seam
#include <unistd.h>

#include <cerrno>

#include "components/base/event_log.h"

namespace mobula {

LogSink FileDescriptorSink(int fd) {
  return [fd](LogLevel, std::string_view line) {
    std::string bytes(line);
    bytes += '\n';
    std::string_view rest = bytes;
    while (!rest.empty()) {  // one write, unless the system takes only a part
      const ssize_t written = ::write(fd, rest.data(), rest.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return;  // a log that cannot be written must not stop the program
      rest.remove_prefix(static_cast<std::size_t>(written));
    }
  };
}

}  // namespace mobula
