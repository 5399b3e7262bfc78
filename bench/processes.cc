#include "bench/processes.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>

#include "bench/report.h"

namespace bench {
namespace {

/// \return the numbers of /proc/PID/status in kB, by name ("RssAnon:").
std::map<std::string, double> StatusOf(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  std::map<std::string, double> numbers;
  for (std::string line; std::getline(status, line);) {
    const auto colon = line.find(':');
    if (colon == std::string::npos) continue;
    numbers[line.substr(0, colon + 1)] = std::strtod(line.c_str() + colon + 1, nullptr);
  }
  return numbers;
}

}  // namespace

std::vector<pid_t> FamilyOf(const std::vector<pid_t>& roots) {
  std::multimap<pid_t, pid_t> children;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const auto pid = static_cast<pid_t>(std::atoi(entry.path().filename().c_str()));
    if (pid > 0) children.emplace(static_cast<pid_t>(StatusOf(pid)["PPid:"]), pid);
  }
  std::vector<pid_t> family = roots;
  for (std::size_t i = 0; i < family.size(); ++i) {
    const auto [begin, end] = children.equal_range(family[i]);
    for (auto child = begin; child != end; ++child) family.push_back(child->second);
  }
  return family;
}

double ResidentMb(pid_t pid) {
  auto status = StatusOf(pid);
  return (status["RssAnon:"] + status["RssFile:"]) / 1024;
}

double AnonymousMb(const std::vector<pid_t>& pids) {
  double kb = 0;
  for (const pid_t pid : pids) kb += StatusOf(pid)["RssAnon:"];
  return kb / 1024;
}

double CpuSeconds(const std::vector<pid_t>& pids) {
  double nanoseconds = 0;
  std::error_code ignored;
  for (const pid_t pid : pids) {
    const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
    for (const auto& thread : std::filesystem::directory_iterator(tasks, ignored)) {
      double ran = 0;
      std::ifstream(thread.path() / "schedstat") >> ran;
      nanoseconds += ran;
    }
  }
  return nanoseconds / 1e9;
}

double BareProcessMb() {
  const pid_t child = ::fork();
  if (child == 0) {
    ::execl("/bin/sleep", "sleep", "10", nullptr);
    ::_exit(127);
  }
  Gap(std::chrono::milliseconds(50));  // until the exec is done; a probe, not a test
  const double mb = ResidentMb(child);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  return mb;
}

}  // namespace bench
