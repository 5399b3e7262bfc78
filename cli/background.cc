#include "cli/background.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>

#include "cli/commands.h"
#include "components/base/real/file_system.h"

namespace mobula::cli {
namespace {

constexpr int kReadyDescriptor = 3;
constexpr std::uint64_t kOutputMax = 64 << 10;

/// In the child: a session of its own, no terminal, output to a file, and the program.
[[noreturn]] void BecomeNode(const std::string& program, const std::string& config,
                             const std::string& output, int ready) {
  // Without a terminal of its own, the node does not end with the shell that started it.
  ::setsid();
  const int null = ::open("/dev/null", O_RDONLY);
  const int log = ::open(output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (null < 0 || log < 0) ::_exit(127);
  ::dup2(null, STDIN_FILENO);
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  ::dup2(ready, kReadyDescriptor);
  // The node must hold nothing of ours open: a pipe that it kept would hang the script that called
  // us.
  ::syscall(SYS_close_range, kReadyDescriptor + 1, ~0U, 0);
  const std::string fd = std::to_string(kReadyDescriptor);
  ::execl(program.c_str(), program.c_str(), "--config", config.c_str(), "--background",
          "--ready-fd", fd.c_str(), nullptr);
  ::dprintf(STDERR_FILENO, "cannot run %s: %s\n", program.c_str(), std::strerror(errno));
  ::_exit(127);
}

/// Reads until the node closes its end: the session folder if it came up, nothing if it ended.
std::string ReadAll(int fd) {
  std::string text;
  std::array<char, 512> chunk{};
  ssize_t size = 0;
  while ((size = ::read(fd, chunk.data(), chunk.size())) > 0 || (size < 0 && errno == EINTR)) {
    if (size > 0) text.append(chunk.data(), static_cast<std::size_t>(size));
  }
  return text;
}

}  // namespace

Result<node::NodeRecord> StartWithText(const std::string& yaml) {
  RealFileSystem files;
  const std::string config = fmt::format("{}/start-{}.yaml", node::SessionsFolder(), ::getpid());
  Result<void> written = files.MakeFolder(node::SessionsFolder());
  if (written) written = files.WriteAtomically(config, yaml, FileMode::kPrivate);
  if (!written) return Fail(std::move(written.error()));
  // The node reads its file before it says that it is up, so the file can go as soon as we know.
  Result<node::NodeRecord> record = StartInBackground(config);
  (void)files.Remove(config);  // a small leftover at worst
  const std::string prefix = config + ": ";
  // The user gave flags and has never seen this file, so its name is left out of the reason.
  if (!record && record.error().message().starts_with(prefix)) {
    return Fail(record.error().code(), "{}", record.error().message().substr(prefix.size()));
  }
  return record;
}

Result<node::NodeRecord> StartInBackground(const std::string& config) {
  RealFileSystem files;
  const std::string root = node::SessionsFolder();
  if (Result<void> made = files.MakeFolder(root); !made) return Fail(std::move(made.error()));
  const std::string output = fmt::format("{}/start-{}.out", root, ::getpid());
  int ready[2] = {-1, -1};
  if (::pipe2(ready, O_CLOEXEC) != 0) return Fail(ErrorCode::kInternal, "no pipe left");
  const pid_t child = ::fork();
  if (child < 0) return Fail(ErrorCode::kInternal, "cannot fork: {}", std::strerror(errno));
  if (child == 0) BecomeNode(BinaryFolder() + "/node", config, output, ready[1]);
  // The child has the only writing end now: when it ends, however that happens, we read the end.
  ::close(ready[1]);
  const std::string folder = ReadAll(ready[0]);
  ::close(ready[0]);
  std::string said = files.Read(output, kOutputMax).value_or(std::string());
  (void)files.Remove(output);
  // It did not come up. What it said in its last moment is the best explanation there is.
  if (folder.empty()) {
    int status = 0;
    ::waitpid(child, &status, 0);
    while (!said.empty() && said.back() == '\n') said.pop_back();
    if (said.starts_with("node: ")) said.erase(0, 6);
    const bool is_usage = WIFEXITED(status) && WEXITSTATUS(status) == 2;
    return Fail(is_usage ? ErrorCode::kInvalidArgument : ErrorCode::kUnavailable, "{}",
                said.empty() ? "the node ended without a word" : said);
  }
  for (node::NodeRecord& record : node::LiveRecords(files)) {
    if (record.folder == folder) return std::move(record);
  }
  return Fail(ErrorCode::kInternal, "the node started but has no record in {}", folder);
}

bool EndNode(const node::NodeRecord& record, Duration patience) {
  // The number may belong to another process by now. The descriptor is opened first and the start
  // time compared after it, so a process that passes is the node and stays so.
  const int process = static_cast<int>(::syscall(SYS_pidfd_open, record.pid, 0));
  if (process < 0 || node::ProcessStart(record.pid) != record.pid_start) return true;  // gone
  const auto wait = [process](Duration time) {
    pollfd ended{process, POLLIN, 0};
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
    return ::poll(&ended, 1, static_cast<int>(ms)) > 0;
  };
  ::syscall(SYS_pidfd_send_signal, process, SIGTERM, nullptr, 0);
  const bool is_gentle = wait(patience);
  if (!is_gentle) {
    ::syscall(SYS_pidfd_send_signal, process, SIGKILL, nullptr, 0);
    (void)wait(std::chrono::seconds(5));
    RealFileSystem files;
    // It was killed and could not clean up after itself: its folder goes here.
    node::EndSession(files, record.folder);
  }
  ::close(process);
  return is_gentle;
}

}  // namespace mobula::cli
