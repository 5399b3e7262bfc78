#include "node/process/zygote.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "components/base/check.h"

namespace mobula::node {
namespace {

constexpr std::size_t kPacketMax = 64 << 10;

void Report(const ZygoteEvent& event) {
  const std::string packet = event.SerializeAsString();
  // A raylet that is gone is noticed by the next receive.
  (void)::send(kZygoteDescriptor, packet.data(), packet.size(), MSG_NOSIGNAL);
}

void ReapChildren(int signals) {
  // Several deaths may be one signal, so the signal says only that there is something to reap.
  signalfd_siginfo info{};
  while (::read(signals, &info, sizeof info) == sizeof info) {
  }
  int status = 0;
  for (pid_t pid = ::waitpid(-1, &status, WNOHANG); pid > 0;
       pid = ::waitpid(-1, &status, WNOHANG)) {
    ZygoteEvent event;
    event.set_pid(pid);
    event.set_has_exited(true);
    if (WIFEXITED(status)) event.set_exit_code(WEXITSTATUS(status));
    if (WIFSIGNALED(status)) event.set_exit_signal(WTERMSIG(status));
    Report(event);
  }
}

/// What a fresh worker does before anything else: its own log, no zygote descriptors, default
/// signals.
void BecomeWorker(const ForkRequest& request, int signals, pid_t zygote) {
  // The kernel kills it when the zygote ends, however that happens. Nothing of a job is left
  // behind.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != zygote) ::_exit(1);  // the zygote died between fork and prctl
  // A worker that kept the socket would keep the raylet from seeing the end of the zygote.
  ::close(kZygoteDescriptor);
  ::close(signals);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (!request.log_path().empty()) {
    const int log =
        ::open(request.log_path().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log >= 0) {
      ::dup2(log, STDOUT_FILENO);
      ::dup2(log, STDERR_FILENO);
      ::close(log);
    }
  }
}

}  // namespace

bool IsZygote() { return std::getenv(kZygoteVariable) != nullptr; }

ForkRequest RunZygote() {
  ::unsetenv(kZygoteVariable);  // not for programs that a worker starts
  // Deaths of children arrive as bytes on a descriptor, beside the raylet's requests: one thread
  // waits for both, and nothing is ever interrupted.
  sigset_t children;
  ::sigemptyset(&children);
  ::sigaddset(&children, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &children, nullptr);
  const int signals = ::signalfd(-1, &children, SFD_NONBLOCK | SFD_CLOEXEC);
  Check(signals >= 0, "the zygote needs a signalfd");
  const pid_t self = ::getpid();
  std::vector<char> packet(kPacketMax);
  while (true) {
    pollfd waiting[2] = {{kZygoteDescriptor, POLLIN, 0}, {signals, POLLIN, 0}};
    if (::poll(waiting, 2, -1) < 0 && errno != EINTR) break;
    if (waiting[1].revents != 0) ReapChildren(signals);
    if (waiting[0].revents == 0) continue;
    const ssize_t size = ::recv(kZygoteDescriptor, packet.data(), packet.size(), 0);
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (size <= 0) break;  // the raylet has closed its end, or is dead
    ForkRequest request;
    Check(request.ParseFromArray(packet.data(), static_cast<int>(size)),
          "a fork request is a valid message");
    ::fflush(nullptr);  // or both processes would print what is buffered
    const pid_t child = ::fork();
    // The child goes on in `Init` as a worker. The parent stays what it was.
    if (child == 0) {
      BecomeWorker(request, signals, self);
      return request;
    }
    // Told before any end of this child: ends are reaped by this same thread, later.
    ZygoteEvent event;
    event.set_startup_id(request.startup_id());
    event.set_pid(child > 0 ? child : 0);
    if (child < 0) event.set_error(std::strerror(errno));
    Report(event);
  }
  ::kill(0, SIGKILL);  // the raylet is gone: so are this job's processes
  ::_exit(0);
}

}  // namespace mobula::node
