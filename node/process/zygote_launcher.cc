#include "node/process/zygote_launcher.h"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstring>
#include <vector>

#include "node/process/zygote.h"

namespace mobula::node {
namespace {

constexpr std::size_t kPacketMax = 64 << 10;
constexpr std::size_t kLogTailBytes = 1000;

}  // namespace

/// Those who are to be told of the workers of one zygote.
struct ZygoteLauncher::Waiters {
  struct Starting {
    Done<std::int64_t> started;
    OnExit on_exit;
  };
  std::map<std::string, Starting> starting;  // by startup id
  std::map<std::int64_t, OnExit> running;    // by pid

  /// The zygote is gone.
  void TellAll(const Error& not_started) {
    for (auto& [startup, one] : std::exchange(starting, {})) one.started(Fail(not_started));
    // Workers die with their zygote. It was the only one that could have said more of their ends.
    for (auto& [pid, on_exit] : std::exchange(running, {})) {
      on_exit({.code = 0, .signal = SIGKILL});
    }
  }
};

struct ZygoteLauncher::Zygote {
  explicit Zygote(boost::asio::io_context& context) : socket(context) {}

  std::int64_t pid = 0;
  boost::asio::posix::stream_descriptor socket;
  std::string log_path;
  Waiters waiters;
};

ZygoteLauncher::ZygoteLauncher(Deps deps, Settings settings)
    : deps_(deps), settings_(std::move(settings)) {}

ZygoteLauncher::~ZygoteLauncher() {
  // A killed zygote's group is all of its job: the workers, and what those have started.
  alive_.End();
  for (const auto& [job, zygote] : zygotes_) deps_.processes.SignalGroup(zygote->pid, SIGKILL);
}

Result<ZygoteLauncher::Zygote*> ZygoteLauncher::ZygoteOf(const raylet::WorkerSpec& spec) {
  if (const auto it = zygotes_.find(spec.job); it != zygotes_.end()) return it->second.get();
  // The first worker of this job here. A packet socket keeps messages apart, and its end of file
  // tells either side that the other is gone.
  int ends[2] = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
    return Fail(ErrorCode::kInternal, "cannot make a socket pair: {}", std::strerror(errno));
  }
  auto zygote = std::make_unique<Zygote>(deps_.loop.context());
  zygote->socket.assign(ends[0]);
  ProcessSpec process;
  process.arguments.push_back(spec.program.path());
  for (int i = 1; i < spec.program.arguments_size(); ++i) {
    process.arguments.push_back(spec.program.arguments(i));
  }
  process.environment[kZygoteVariable] = "1";
  if (deps_.files.Exists(spec.program.folder())) process.folder = spec.program.folder();
  if (!settings_.log_folder.empty()) {
    process.log_path = fmt::format("{}/zygote-{}.log", settings_.log_folder, spec.job.Hex());
  }
  process.inherit_fd = ends[1];
  const JobId job = spec.job;
  // A later zygote of the same job is not to be taken for this one when this one's end is told.
  auto pid_slot = std::make_shared<std::int64_t>(0);  // owners: this call and the exit callback
  Result<std::int64_t> pid =
      deps_.processes.Launch(process, alive_.Bind([this, job, pid_slot](ExitStatus status) {
        OnZygoteExit(job, *pid_slot, status);
      }));
  ::close(ends[1]);
  if (!pid) return Fail(std::move(pid.error()).Context("starting the program of the job"));
  *pid_slot = *pid;
  zygote->pid = *pid;
  zygote->log_path = process.log_path;
  deps_.log.Info("zygote", "started", "job={} pid={} program={}", job.Hex(), *pid,
                 spec.program.path());
  Zygote* const raw = zygote.get();
  zygotes_.emplace(job, std::move(zygote));
  Listen(job);
  return raw;
}

void ZygoteLauncher::Start(raylet::WorkerSpec spec, Done<std::int64_t> started, OnExit on_exit) {
  const auto fail = [&](Error error) {
    deps_.loop.Post(alive_.Bind([started = std::move(started), error = std::move(error)]() mutable {
      started(Fail(std::move(error)));
    }));
  };
  Result<Zygote*> zygote = ZygoteOf(spec);
  if (!zygote) return fail(std::move(zygote.error()));
  ForkRequest request;
  request.set_startup_id(std::string(spec.startup_id.Binary()));
  request.set_job_id(std::string(spec.job.Binary()));
  request.set_raylet_endpoint(spec.raylet_endpoint);
  request.set_node_address(settings_.node_address);
  request.set_log_path(spec.log_path);
  request.set_token(settings_.token.RevealForFile());
  request.set_program_hash(spec.program.hash());
  request.set_program_build(spec.program.build());
  request.set_log_level(static_cast<std::uint32_t>(settings_.log_level));
  request.set_settings(settings_.process_settings);
  // The zygote reads one request at a time and answers in order; the socket's buffer is the queue.
  // If it is full or its reader gone, the start fails, and the pool tries again.
  const std::string packet = request.SerializeAsString();
  const ssize_t sent = ::send((*zygote)->socket.native_handle(), packet.data(), packet.size(),
                              MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0) {
    return fail(Error(ErrorCode::kInternal, "cannot ask the zygote for a worker: {}",
                      std::strerror(errno)));
  }
  (*zygote)->waiters.starting.emplace(request.startup_id(),
                                      Waiters::Starting{std::move(started), std::move(on_exit)});
}

void ZygoteLauncher::Listen(const JobId& job) {
  const auto it = zygotes_.find(job);
  if (it == zygotes_.end()) return;
  it->second->socket.async_wait(
      boost::asio::posix::descriptor_base::wait_read,
      deps_.loop.Locked(alive_.Bind([this, job](const boost::system::error_code& error) {
        if (!error) OnReadable(job);
      })));
}

void ZygoteLauncher::OnReadable(const JobId& job) {
  // What is told may end the job and so this zygote; it is looked up anew for each message.
  std::vector<char> packet(kPacketMax);
  while (true) {
    const auto it = zygotes_.find(job);
    if (it == zygotes_.end()) return;
    const ssize_t size =
        ::recv(it->second->socket.native_handle(), packet.data(), packet.size(), MSG_DONTWAIT);
    if (size == 0) return;  // its exit status comes through the launcher
    if (size < 0) break;
    ZygoteEvent event;
    if (event.ParseFromArray(packet.data(), static_cast<int>(size))) OnEvent(job, event);
  }
  if (errno == EAGAIN || errno == EINTR) Listen(job);
}

void ZygoteLauncher::OnEvent(const JobId& job, const ZygoteEvent& event) {
  Zygote& zygote = *zygotes_.at(job);
  // The zygote has reaped a child, and is the only process that can say how it ended.
  if (event.has_exited()) {
    auto running = zygote.waiters.running.extract(event.pid());
    if (running.empty()) return;
    return running.mapped()({.code = event.exit_code(), .signal = event.exit_signal()});
  }
  auto starting = zygote.waiters.starting.extract(event.startup_id());
  if (starting.empty()) return;
  // The machine has no room for another process. The zygote itself is well, and may be asked again.
  if (event.pid() == 0) {
    starting.mapped().started(Fail(ErrorCode::kInternal, "fork failed: {}", event.error()));
    return;
  }
  // It runs. It knows its raylet from the request and will register by itself.
  zygote.waiters.running.emplace(event.pid(), std::move(starting.mapped().on_exit));
  starting.mapped().started(event.pid());
}

void ZygoteLauncher::OnZygoteExit(const JobId& job, std::int64_t pid, ExitStatus status) {
  const auto it = zygotes_.find(job);
  // We have ended the job ourselves, or a new zygote has taken this one's place.
  if (it == zygotes_.end() || it->second->pid != pid) return;
  // It crashed, or its program returned from `main` without a call of `Init`. The launcher has
  // killed the rest of its group. The next start brings a new one.
  const std::unique_ptr<Zygote> zygote = std::move(it->second);
  zygotes_.erase(it);
  // The user's program is at fault, so its last words are what helps the user.
  std::string tail;
  if (!zygote->log_path.empty()) {
    tail = deps_.files.ReadTail(zygote->log_path, kLogTailBytes).value_or(std::string());
  }
  zygote->waiters.TellAll(
      Error(ErrorCode::kInternal,
            "the program ended before it reached mobula::Init: {}; its output ends: {}",
            status.ToString(), tail));
}

void ZygoteLauncher::Kill(std::int64_t pid) {
  for (const auto& [job, zygote] : zygotes_) {
    // Only what a zygote has reported as alive: any other pid may be a stranger's by now.
    if (zygote->waiters.running.contains(pid)) ::kill(static_cast<pid_t>(pid), SIGKILL);
  }
}

void ZygoteLauncher::EndJob(const JobId& job) {
  const auto it = zygotes_.find(job);
  if (it == zygotes_.end()) return;
  const std::unique_ptr<Zygote> zygote = std::move(it->second);
  zygotes_.erase(it);
  deps_.processes.SignalGroup(zygote->pid, SIGKILL);
  deps_.log.Info("job", "ended", "job={} workers={}", job.Hex(), zygote->waiters.running.size());
  // The ends are told after this call: its caller is in the middle of forgetting the job.
  deps_.loop.Post(alive_.Bind([job, waiters = std::move(zygote->waiters)]() mutable {
    waiters.TellAll(Error(ErrorCode::kCancelled, "job {} has ended", job.Hex()));
  }));
}

}  // namespace mobula::node
