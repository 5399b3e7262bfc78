// The binary `node`: one head or worker node in the foreground, from a YAML file.

#include <fcntl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <optional>
#include <tuple>

#include "components/base/real/file_system.h"
#include "node/node.h"
#include "node/session.h"

namespace {

using namespace mobula;        // NOLINT(google-build-using-namespace): a main file of Mobula
using namespace mobula::node;  // NOLINT(google-build-using-namespace): the same

int Complain(const Error& error) {
  fmt::print(stderr, "node: {}\n", error.message());
  return error.code() == ErrorCode::kInvalidArgument ? 2 : 1;
}

/// Blocks the signals that end a node, in this thread and all it starts; they arrive as reads.
int EndingSignals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&signals, signal);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return ::signalfd(-1, &signals, SFD_CLOEXEC);
}

/// Nothing is left to do for this thread until one of the two can be read.
void WaitForEither(int signals, int must_exit) {
  fd_set waiting;
  FD_ZERO(&waiting);
  FD_SET(signals, &waiting);
  FD_SET(must_exit, &waiting);
  while (::select(std::max(signals, must_exit) + 1, &waiting, nullptr, nullptr, nullptr) < 0 &&
         errno == EINTR) {
  }
}

struct Arguments {
  std::string config;
  int ready_fd = -1;
  bool is_background = false;
};

int Run(const Arguments& arguments) {
  Result<NodeConfig> config = LoadNodeConfig(arguments.config);
  if (!config) return Complain(config.error());
  RealFileSystem files;
  // A head makes the cluster's secret if there is none. Other nodes must have been given it.
  Result<transport::Token> token = config->is_head ? FindOrMintToken(files, config->token_file)
                                                   : FindToken(files, config->token_file);
  if (!token) return Complain(token.error());
  // Before any thread is started, so that all of them inherit the blocked signals.
  const int signals = EndingSignals();
  Node node(*config, *token,
            arguments.is_background ? LogSink() : FileDescriptorSink(STDERR_FILENO));
  Result<NodeEndpoints> endpoints = node.Start();
  if (!endpoints) {
    // Some keys are read only where they are used. The user still wants to know in which file they
    // are.
    const bool is_config = endpoints.error().code() == ErrorCode::kInvalidArgument;
    return Complain(is_config ? std::move(endpoints.error()).Context(arguments.config)
                              : endpoints.error());
  }
  // From here on `mobula stop` and drivers of this machine find the node.
  NodeRecord record{.folder = endpoints->folder,
                    .pid = ::getpid(),
                    .pid_start = ProcessStart(::getpid()),
                    .is_head = config->is_head,
                    .is_background = arguments.is_background,
                    .head_address = endpoints->head_address,
                    .node_id = endpoints->node_id.Hex(),
                    .token_file = config->token_file};
  if (Result<void> written = WriteRecord(files, record); !written) return Complain(written.error());
  int exit_pipe[2] = {-1, -1};
  if (::pipe2(exit_pipe, O_CLOEXEC) != 0) return Complain({ErrorCode::kInternal, "no pipe left"});
  // The reason comes on the loop's thread; the pipe brings it to this one, which waits for signals
  // too.
  std::optional<Error> must_end;
  node.OnMustExit([&](const Error& why) {
    must_end = why;
    std::ignore = ::write(exit_pipe[1], "x", 1);
  });
  if (arguments.ready_fd >= 0) {  // tells `mobula start` that we are up, and where
    std::ignore = ::write(arguments.ready_fd, endpoints->folder.data(), endpoints->folder.size());
    ::close(arguments.ready_fd);
  } else {
    fmt::print("{} node {} is up; head at {}; Ctrl-C ends it\n",
               config->is_head ? "head" : "worker", endpoints->node_id.Short(),
               endpoints->head_address);
    std::fflush(stdout);
  }
  WaitForEither(signals, exit_pipe[0]);
  // Its workers end with it, and the head is told why, if it still can be.
  node.Stop(must_end ? "it had to end" : "it was asked to end");
  if (!must_end) return 0;
  fmt::print(stderr, "node: had to end: {}\n", must_end->message());  // the last line of its output
  return 3;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Runs one node of a Mobula cluster in the foreground.\n"
      "Exit codes: 0 ended by a signal, 1 could not start, 2 bad configuration or usage, "
      "3 had to end (fenced, the head is gone, or on the head: its storage failed).");
  Arguments arguments;
  app.add_option("--config", arguments.config, "YAML file; node/config/head.yaml is the manual")
      ->required();
  app.add_option("--ready-fd", arguments.ready_fd,
                 "descriptor to tell when up (used by mobula start)");
  app.add_flag("--background", arguments.is_background, "log to the session's folder");
  app.set_version_flag("--version", transport::BuildName());
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : 2;
  }
  return Run(arguments);
}
