#include "components/base/simulated/process_launcher.h"

#include <utility>

namespace mobula {

SimulatedProcessLauncher::SimulatedProcessLauncher(EventLoop& loop, Factory factory,
                                                   std::int64_t first_pid)
    : loop_(&loop), factory_(std::move(factory)), next_pid_(first_pid) {}

Result<std::int64_t> SimulatedProcessLauncher::Launch(const ProcessSpec& spec, OnExit on_exit) {
  if (spec.arguments.empty()) {
    return Fail(ErrorCode::kInvalidArgument, "a process needs a program to run");
  }
  const std::int64_t pid = next_pid_++;
  entries_[pid].on_exit = std::move(on_exit);
  auto process = factory_(spec, pid);
  if (process == nullptr) {
    entries_.erase(pid);
    return Fail(ErrorCode::kNotFound, "there is no program '{}'", spec.arguments[0]);
  }
  entries_[pid].process = std::move(process);
  return pid;
}

void SimulatedProcessLauncher::SignalGroup(std::int64_t pid, int signal) {
  const auto it = entries_.find(pid);
  if (it == entries_.end() || it->second.ending) return;
  if (signal == SIGKILL) {
    Exit(pid, ExitStatus{.signal = SIGKILL});
  } else if (it->second.process != nullptr) {
    it->second.process->Signal(signal);
  }
}

void SimulatedProcessLauncher::Exit(std::int64_t pid, ExitStatus status) {
  const auto it = entries_.find(pid);
  if (it == entries_.end() || std::exchange(it->second.ending, true)) return;
  loop_->Post(alive_.Bind([this, pid, status] {
    const auto found = entries_.find(pid);
    if (found == entries_.end()) return;  // the factory refused after all
    auto entry = std::move(found->second);
    entries_.erase(found);
    entry.process.reset();
    if (entry.on_exit) entry.on_exit(status);  // may destroy this launcher
  }));
}

std::vector<std::int64_t> SimulatedProcessLauncher::running() const {
  std::vector<std::int64_t> pids;
  for (const auto& [pid, entry] : entries_) {
    if (!entry.ending) pids.push_back(pid);
  }
  return pids;
}

}  // namespace mobula
