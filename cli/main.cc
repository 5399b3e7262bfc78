// The binary `mobula`: everything a person does to a cluster from a terminal.

#include <unistd.h>

#include <array>
#include <cstdlib>
#include <set>

#include <fmt/ranges.h>

#include "cli/commands.h"
#include "components/base/real/file_system.h"
#include "components/transport/handshake.h"
#include "node/session.h"

namespace mobula::cli {

int Complain(const Error& error) {
  fmt::print(stderr, "mobula: {}\n", error.message());
  return error.code() == ErrorCode::kInvalidArgument ? 2 : 1;
}

Result<std::string> FindAddress(const std::string& given) {
  if (!given.empty()) return given;
  if (const char* variable = std::getenv("MOBULA_ADDRESS"); variable != nullptr && *variable != 0) {
    return std::string(variable);
  }
  RealFileSystem files;
  std::set<std::string> found;
  for (const node::NodeRecord& record : node::LiveRecords(files)) found.insert(record.head_address);
  if (found.size() > 1) {
    return Fail(ErrorCode::kInvalidArgument,
                "nodes of {} clusters run here: {}; say --address or MOBULA_ADDRESS", found.size(),
                fmt::join(found, ", "));
  }
  if (!found.empty()) return *found.begin();
  return Fail(ErrorCode::kNotFound,
              "no cluster: no node runs on this host. Start one with `mobula start --head`, pass "
              "--address HOST:PORT, or set MOBULA_ADDRESS");
}

std::string BinaryFolder() {
  std::array<char, 4096> path{};
  const ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size() - 1);
  const std::string full(path.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  return full.substr(0, full.rfind('/'));
}

/// No command was given, or one that there is not. \return the exit code for it.
int ComplainOfCommand(CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  const std::vector<std::string> words = app.remaining();
  const std::string what =
      words.empty() ? "say what to do" : fmt::format("there is no command '{}'", words.front());
  return Complain({ErrorCode::kInvalidArgument,
                   fmt::format("{}; commands are {}", what, fmt::join(names, ", "))});
}

}  // namespace mobula::cli

int main(int argc, char** argv) {
  CLI::App app(
      "Mobula: tasks and objects over a head node and worker nodes.\n"
      "Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.");
  app.require_subcommand(1);
  app.set_version_flag("--version", mobula::transport::BuildName());
  mobula::cli::Action action;
  mobula::cli::AddStart(app, action);
  mobula::cli::AddStop(app, action);
  mobula::cli::AddStatus(app, action);
  mobula::cli::AddSim(app, action);
  mobula::cli::AddRun(app, action);
  mobula::cli::AddNew(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_name() == "RequiredError" && app.get_subcommands().empty()) {
      return mobula::cli::ComplainOfCommand(app);
    }
    return app.exit(error) == 0 ? 0 : 2;
  }
  return action();
}
