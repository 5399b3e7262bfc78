#include "components/base/real/process_launcher.h"

#include <sys/wait.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <csignal>
#include <utility>

#include "components/base/real/spawn.h"

namespace mobula {
namespace {

using Pidfd = boost::asio::posix::stream_descriptor;

/// Kills what is left of the group, then reaps its leader: until that, nobody else gets the id.
ExitStatus KillGroupAndReap(pid_t pid) {
  ::killpg(pid, SIGKILL);
  int status = 0;
  for (;;) {
    const pid_t reaped = ::waitpid(pid, &status, 0);
    if (reaped == pid) break;
    if (errno != EINTR) return ExitStatus{.code = -1};  // the user's program ignores SIGCHLD
  }
  if (WIFSIGNALED(status)) return ExitStatus{.signal = WTERMSIG(status)};
  return ExitStatus{.code = WEXITSTATUS(status)};
}

}  // namespace

struct RealProcessLauncher::Child {
  Pidfd pidfd;
  OnExit on_exit;
};

RealProcessLauncher::RealProcessLauncher(RealEventLoop& loop) : loop_(&loop) {}

RealProcessLauncher::~RealProcessLauncher() {
  // All are told before the first is waited for: they end at the same time, not one by one.
  for (const auto& [pid, child] : children_) ::killpg(static_cast<pid_t>(pid), SIGKILL);
  for (const auto& [pid, child] : children_) KillGroupAndReap(static_cast<pid_t>(pid));
}

Result<std::int64_t> RealProcessLauncher::Launch(const ProcessSpec& spec, OnExit on_exit) {
  const auto spawned = Spawn(spec);
  if (!spawned) return Fail(spawned.error());
  // The descriptor becomes readable when the process ends. Unlike a signal, it tells which process
  // it was, and leaves the user's program its own handlers.
  children_.emplace(spawned->pid, std::make_unique<Child>(Pidfd(loop_->context(), spawned->pidfd),
                                                          std::move(on_exit)));
  Watch(spawned->pid);
  return spawned->pid;
}

void RealProcessLauncher::Watch(std::int64_t pid) {
  children_.at(pid)->pidfd.async_wait(
      Pidfd::wait_read,
      loop_->Locked(alive_.Bind([this, pid](const boost::system::error_code& error) {
        if (!error) Reap(pid);
      })));
}

void RealProcessLauncher::Reap(std::int64_t pid) {
  const auto it = children_.find(pid);
  if (it == children_.end()) return;
  // Forgotten before it is reaped: from then on the system may give its id to another process,
  // which `SignalGroup` must not reach.
  const auto child = std::move(it->second);
  children_.erase(it);
  const ExitStatus status = KillGroupAndReap(static_cast<pid_t>(pid));
  if (child->on_exit) child->on_exit(status);  // may destroy this launcher
}

void RealProcessLauncher::SignalGroup(std::int64_t pid, int signal) {
  // A process that has been reaped has no group any more, and its number may be another's.
  if (children_.contains(pid)) ::killpg(static_cast<pid_t>(pid), signal);
}

}  // namespace mobula
