// \edge: a helper whose header says all that a caller needs
#include "components/base/process_launcher.h"

#include <cstring>

namespace mobula {

std::string ExitStatus::ToString() const {
  if (signal == 0) return code < 0 ? "exit code unknown" : fmt::format("exit code {}", code);
  const char* name = ::sigabbrev_np(signal);
  return name == nullptr ? fmt::format("signal {}", signal)
                         : fmt::format("signal {} (SIG{})", signal, name);
}

}  // namespace mobula
