#include "components/base/real/spawn.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

namespace mobula {
namespace {

/// A descriptor that closes itself, out of the way of 0 to 3, which the child fills.
class HighFd {
 public:
  HighFd() = default;
  HighFd(const char* path, int flags) {
    const int fd = ::open(path, flags | O_CLOEXEC, 0600);
    if (fd < 0) return;
    fd_ = ::fcntl(fd, F_DUPFD_CLOEXEC, 10);
    const int error = errno;
    ::close(fd);
    errno = error;
  }
  HighFd(HighFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~HighFd() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_ = -1;
};

enum class Step : std::uint8_t { kPrepare, kFolder, kExec };

/// What the child tells its parent, in memory that both see.
struct Progress {
  Step step = Step::kPrepare;  ///< How far the child came.
  int error = 0;               ///< Why it came no further; 0: it became the program.
};

/// All the child needs, made by the parent: in a child of a program with threads only system calls
/// are safe.
struct ChildPlan {
  char* const* arguments;
  char* const* environment;
  const char* folder;  ///< Null: stay.
  int input;
  int output;   ///< -1: the launcher's.
  int inherit;  ///< -1: none.
  pid_t parent;
  int descriptors_max;
  Progress* progress;
};

/// The child borrows its parent's memory until the exec: copying page tables takes 15 ms a GiB. The
/// thread sanitizer keeps the state of its threads there, so it gets a copy.
#ifdef __has_feature
constexpr int kMemory = __has_feature(thread_sanitizer) ? 0 : CLONE_VM;
#else
constexpr int kMemory = CLONE_VM;
#endif

// The functions of the child are not sanitized: its stack is unknown, and it leaves them by exec.

__attribute__((no_sanitize("address", "thread"))) void CloseOnExecFrom(int first,
                                                                       int descriptors_max) {
  if (::close_range(static_cast<unsigned>(first), ~0U, CLOSE_RANGE_CLOEXEC) == 0) return;
  for (int fd = first; fd < descriptors_max; ++fd) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/// \return whether descriptors 0 to 3 are as promised and no others pass the exec.
__attribute__((no_sanitize("address", "thread"))) bool ArrangeDescriptors(const ChildPlan& plan) {
  // It stands in its place already, where `dup2` would do nothing and leave it closed on exec.
  if (plan.inherit == 3) {
    if (::fcntl(3, F_SETFD, 0) != 0) return false;
  } else if (plan.inherit >= 0 && ::dup2(plan.inherit, 3) < 0) {
    return false;
  }
  if (::dup2(plan.input, 0) < 0) return false;
  if (plan.output >= 0 && (::dup2(plan.output, 1) < 0 || ::dup2(plan.output, 2) < 0)) return false;
  CloseOnExecFrom(plan.inherit >= 0 ? 4 : 3, plan.descriptors_max);
  return true;
}

/// \return only on failure, with the reason in `errno`.
__attribute__((no_sanitize("address", "thread"))) void BecomeProgram(ChildPlan& plan) {
  // Handlers of the user's program must not run here: default first, then unblock.
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction action{};
    action.sa_handler = SIG_DFL;
    ::sigaction(signal, &action, nullptr);
  }
  if (::setpgid(0, 0) != 0 || ::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return;
  if (::getppid() != plan.parent) ::_exit(127);  // it ended before the line above
  if (!ArrangeDescriptors(plan)) return;
  plan.progress->step = Step::kFolder;
  if (plan.folder != nullptr && ::chdir(plan.folder) != 0) return;
  plan.progress->step = Step::kExec;
  // Blocked signals would stay blocked in the program, which could then not be asked to end.
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(plan.arguments[0], plan.arguments, plan.environment);
}

__attribute__((no_sanitize("address", "thread"))) int ChildMain(void* pointer) {
  auto& plan = *static_cast<ChildPlan*>(pointer);
  BecomeProgram(plan);
  plan.progress->error = errno;
  ::_exit(127);
}

/// Runs the child until it has become the program or failed, all signals blocked meanwhile.
/// \return its pid, or -1 with `errno`.
pid_t Clone(ChildPlan& plan, int* pidfd) {
  constexpr std::size_t kStackBytes = 256 << 10;
  struct alignas(64) Stack {
    std::array<char, kStackBytes> bytes;
  };
  const std::unique_ptr<Stack> stack(new Stack);
  sigset_t all;
  sigset_t before;
  // A handler that ran in the child would change the memory of the parent, which it still shares.
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::clone(&ChildMain, stack->bytes.data() + kStackBytes,
                            kMemory | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &plan, pidfd);
  const int error = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return pid;
}

std::vector<std::string> Environment(const std::map<std::string, std::string>& added) {
  std::vector<std::string> entries;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    if (!added.contains(std::string(text.substr(0, text.find('='))))) entries.emplace_back(text);
  }
  for (const auto& [name, value] : added) entries.push_back(fmt::format("{}={}", name, value));
  return entries;
}

/// \return null-terminated pointers into `texts`, as `execve` wants them.
std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers(texts.size() + 1);
  std::ranges::transform(texts, pointers.begin(), [](std::string& text) { return text.data(); });
  return pointers;
}

std::unexpected<Error> FailErrno(std::string_view doing, std::string_view what, int error) {
  return Fail(ErrorCode::kInternal, "cannot {} '{}': {}", doing, what, ::strerrordesc_np(error));
}

std::unexpected<Error> Explain(const ProcessSpec& spec, const Progress& progress) {
  const std::string& program = spec.arguments[0];
  switch (progress.step) {
    case Step::kPrepare: return FailErrno("prepare a process for", program, progress.error);
    case Step::kFolder: return FailErrno("enter the working folder", spec.folder, progress.error);
    case Step::kExec: break;
  }
  // The frequent mistake, a wrong path, has a code of its own: to try again is of no use.
  if (progress.error == ENOENT || progress.error == ENOTDIR) {
    return Fail(ErrorCode::kNotFound, "there is no program '{}'", program);
  }
  return FailErrno("start", program, progress.error);
}

}  // namespace

Result<Spawned> Spawn(const ProcessSpec& spec) {
  if (spec.arguments.empty()) {
    return Fail(ErrorCode::kInvalidArgument, "a process needs a program to run");
  }
  std::vector<std::string> arguments = spec.arguments;
  std::error_code ignored;  // the child changes folder, so the path must not depend on it
  arguments[0] = std::filesystem::absolute(arguments[0], ignored).string();
  const auto argument_pointers = Pointers(arguments);
  auto environment = Environment(spec.environment);
  const auto environment_pointers = Pointers(environment);

  const HighFd input("/dev/null", O_RDONLY);
  if (input.get() < 0) return FailErrno("open", "/dev/null", errno);
  // Appended to, so that a program that is started again does not wipe out why it ended.
  const HighFd output = spec.log_path.empty()
                            ? HighFd()
                            : HighFd(spec.log_path.c_str(), O_WRONLY | O_APPEND | O_CREAT);
  if (!spec.log_path.empty() && output.get() < 0) return FailErrno("open", spec.log_path, errno);

  // Shared memory and not a pipe: the child only writes two words, and nothing has to be read.
  void* const page =
      ::mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return FailErrno("get memory to start", arguments[0], errno);
  auto* const shared = new (page) Progress;
  ChildPlan plan{.arguments = argument_pointers.data(),
                 .environment = environment_pointers.data(),
                 .folder = spec.folder.empty() ? nullptr : spec.folder.c_str(),
                 .input = input.get(),
                 .output = output.get(),
                 .inherit = spec.inherit_fd,
                 .parent = ::getpid(),
                 .descriptors_max = static_cast<int>(::sysconf(_SC_OPEN_MAX)),
                 .progress = shared};
  Spawned spawned;
  spawned.pid = Clone(plan, &spawned.pidfd);
  // The parent was held until the child became the program or gave up, so this is its last word.
  const Progress progress = *shared;
  const int error = errno;
  ::munmap(page, sizeof(Progress));
  if (spawned.pid < 0) return FailErrno("start a process for", arguments[0], error);
  if (progress.error == 0) return spawned;
  ::close(spawned.pidfd);
  // It failed, and nobody was told of it. It is reaped here, as no exit will be reported.
  while (::waitpid(static_cast<pid_t>(spawned.pid), nullptr, 0) < 0 && errno == EINTR) continue;
  return Explain(spec, progress);
}

}  // namespace mobula
