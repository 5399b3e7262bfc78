// \edge: talks to people
//
// mobula run: a program as a driver of a running cluster.

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "cli/commands.h"

namespace mobula::cli {
namespace {

int RunProgram(const std::string& given, const std::string& token_file,
               const std::vector<std::string>& words) {
  Result<std::string> address = FindAddress(given);
  if (!address) return Complain(address.error());
  ::setenv("MOBULA_ADDRESS", address->c_str(), 1);
  if (!token_file.empty()) ::setenv("MOBULA_TOKEN_FILE", token_file.c_str(), 1);
  std::vector<char*> arguments(words.size() + 1);  // the last one stays null
  std::ranges::transform(words, arguments.begin(),
                         [](const std::string& word) { return const_cast<char*>(word.c_str()); });
  ::execvp(arguments[0], arguments.data());
  const int why = errno;
  fmt::print(stderr, "mobula: cannot run {}: {}\n", words[0], std::strerror(why));
  return why == ENOENT ? 127 : 126;  // as a shell says it
}

}  // namespace

void AddRun(CLI::App& app, Action& action) {
  auto address = std::make_shared<std::string>();  // owners: the parser's callback
  auto token_file = std::make_shared<std::string>();
  auto words = std::make_shared<std::vector<std::string>>();
  CLI::App* run = app.add_subcommand(
      "run", "run a program on a cluster: mobula run [--address H:P] -- PROGRAM ARGS");
  run->add_option("--address", *address, "HOST:PORT of the head; default: of a node here");
  run->add_option("--token-file", *token_file,
                  "default: $MOBULA_TOKEN, $MOBULA_TOKEN_FILE, ~/.mobula/token");
  run->add_option("program", *words, "the program and its arguments, after --")->required();
  run->positionals_at_end();
  run->callback(
      [=, &action] { action = [=] { return RunProgram(*address, *token_file, *words); }; });
}

}  // namespace mobula::cli
