// \edge: talks to people
//
// mobula start, mobula stop.

#include <cstdlib>
#include <memory>
#include <optional>

#include "cli/background.h"
#include "cli/commands.h"
#include "components/base/real/file_system.h"
#include "node/config.h"
#include "node/session.h"

namespace mobula::cli {
namespace {

struct StartOptions {
  bool is_head = false;
  std::string head_address;
  std::string config_file;
  std::string host = "127.0.0.1";
  int port = 6379;
  std::optional<double> num_cpus;
  std::optional<double> num_gpus;
  std::string memory;
  std::string object_store_memory;
  std::vector<std::string> resources;
  std::vector<std::string> labels;
  std::string token_file;
  std::string log_level = "info";
};

Result<std::string> Pairs(const std::vector<std::string>& pairs, std::string_view option) {
  std::string text;
  for (const std::string& pair : pairs) {
    const std::size_t equals = pair.find('=');
    if (equals == std::string::npos || equals == 0) {
      return Fail(ErrorCode::kInvalidArgument, "{} takes name=value, such as {} tape=1; got '{}'",
                  option, option, pair);
    }
    text +=
        fmt::format("{}{}: {}", text.empty() ? "" : ", ", node::QuotedYaml(pair.substr(0, equals)),
                    node::QuotedYaml(pair.substr(equals + 1)));
  }
  return text;
}

/// The configuration file that the flags mean.
Result<std::string> ToYaml(const StartOptions& options) {
  // A node is started from a file, whatever it was asked for with, so that flags and files cannot
  // mean different things.
  Result<std::string> custom = Pairs(options.resources, "--resource");
  if (!custom) return custom;
  Result<std::string> labels = Pairs(options.labels, "--label");
  if (!labels) return labels;
  std::string yaml = fmt::format(
      "node:\n  role: {}\n  address: {}\n  log_level: {}\n", options.is_head ? "head" : "worker",
      node::QuotedYaml(options.host), node::QuotedYaml(options.log_level));
  if (!options.is_head) yaml += fmt::format("  head: {}\n", node::QuotedYaml(options.head_address));
  if (!options.token_file.empty()) {
    yaml += fmt::format("  token_file: {}\n", node::QuotedYaml(options.token_file));
  }
  yaml += fmt::format("  labels: {{ {} }}\n  resources:\n    custom: {{ {} }}\n", *labels, *custom);
  if (options.num_cpus) yaml += fmt::format("    cpu: {}\n", *options.num_cpus);
  if (options.num_gpus) yaml += fmt::format("    gpu: {}\n", *options.num_gpus);
  if (!options.memory.empty()) {
    yaml += fmt::format("    memory: {}\n", node::QuotedYaml(options.memory));
  }
  if (options.is_head) yaml += fmt::format("gcs: {{ port: {} }}\n", options.port);
  // A key that is not written has the node's default, which may depend on the machine.
  if (!options.object_store_memory.empty()) {
    yaml += fmt::format("object_store: {{ kind: shared_memory, capacity: {} }}\n",
                        node::QuotedYaml(options.object_store_memory));
  }
  return yaml;
}

void PrintStarted(const node::NodeRecord& record, const StartOptions& options) {
  fmt::print("Mobula {} node {} is up (pid {}).\n\n", record.is_head ? "head" : "worker",
             record.node_id.substr(0, 8), record.pid);
  fmt::print("  address   {}\n", record.head_address);
  // What is printed can be typed. So it says where the token is, and never what it is.
  const bool is_told = record.token_file.empty() && std::getenv("MOBULA_TOKEN") != nullptr;
  fmt::print("  token     {}\n", is_told ? "$MOBULA_TOKEN" : node::TokenPath(record.token_file));
  const std::string token =
      record.token_file.empty() ? "" : fmt::format(" --token-file='{}'", record.token_file);
  fmt::print("  logs      {}/logs\n\nNext steps\n", record.folder);
  if (record.is_head) {
    // The next steps are whole commands: with address and token file they work from any folder.
    fmt::print("  add a node       mobula start --address={}{}", record.head_address, token);
    fmt::print("   (with a copy of the token file)\n");
    if (options.host == "127.0.0.1") {
      fmt::print("                   on other machines only if the head listens to them: --host\n");
    }
  }
  fmt::print("  run a program    mobula run --address={}{} -- PROGRAM ARGS\n", record.head_address,
             token);
  fmt::print("  look at it       mobula status{}\n", token);
  fmt::print("  stop             mobula stop\n");
}

int Start(const StartOptions& options) {
  Result<node::NodeRecord> record;
  if (!options.config_file.empty()) {
    record = StartInBackground(options.config_file);
  } else {
    // Neither or both of them: the first would begin a cluster by mistake, the second has no
    // meaning.
    if (options.is_head == !options.head_address.empty()) {
      return Complain(
          {ErrorCode::kInvalidArgument,
           "say either --head, to begin a cluster, or --address=HOST:PORT, to join one"});
    }
    Result<std::string> text = ToYaml(options);
    if (!text) return Complain(text.error());
    record = StartWithText(*text);
  }
  if (!record) {
    const std::string& why = record.error().message();
    const bool is_port =
        why.find("the head's port") != std::string::npos && why.ends_with("is in use");
    // The frequent mistake, a second head on one machine, gets a word of advice.
    if (!is_port || !options.config_file.empty()) return Complain(record.error());
    return Complain({record.error().code(), why + ". Use another --port, or stop what uses it"});
  }
  PrintStarted(*record, options);
  return 0;
}

int StopNodes(const std::string& address, bool is_forced) {
  RealFileSystem files;
  std::vector<node::NodeRecord> chosen;
  // Nodes are found by their own records and not by the names of processes, so that nothing is
  // stopped that another user, or another program, has started.
  for (node::NodeRecord& record : node::LiveRecords(files)) {
    // A node that runs in the foreground belongs to a terminal or to a driver, which ends it.
    if (!record.is_background) continue;
    if (!address.empty() && record.head_address != address) continue;
    chosen.push_back(std::move(record));
  }
  // Workers go first: without their head, they would wait for it to come back until they give up.
  std::ranges::stable_sort(chosen, {}, &node::NodeRecord::is_head);
  int forced = 0;
  for (const node::NodeRecord& record : chosen) {
    // A node that is asked to end takes leave of the cluster and stops its workers. One that does
    // not within this time is killed.
    const Duration patience = is_forced ? Duration(0) : std::chrono::seconds(10);
    const bool is_gentle = EndNode(record, patience);
    forced += is_gentle || is_forced ? 0 : 1;
    fmt::print("stopped {} node {} (pid {}){}\n", record.is_head ? "head" : "worker",
               record.node_id.substr(0, 8), record.pid,
               is_gentle || is_forced ? "" : ": it did not end within 10 s and was killed");
  }
  if (chosen.empty()) {
    fmt::print("nothing to stop: no node that `mobula start` began runs here{}\n",
               address.empty() ? "" : " for " + address);
  }
  // A node that had to be killed may have left tasks half done, which a script may want to know.
  return forced == 0 ? 0 : 1;
}

}  // namespace

void AddStart(CLI::App& app, Action& action) {
  auto options = std::make_shared<StartOptions>();  // owners: the parser's callback
  CLI::App* start = app.add_subcommand("start", "start a node on this machine, in the background");
  start->add_flag("--head", options->is_head, "begin a new cluster");
  start->add_option("--address", options->head_address, "join the cluster whose head is HOST:PORT");
  CLI::Option* const config =
      start->add_option("--config", options->config_file, "a YAML file instead of all other flags");
  start->add_option("--host", options->host, "address to listen at; others reach the node there")
      ->capture_default_str();
  start->add_option("--port", options->port, "the head's port; 0: any free one")
      ->capture_default_str()
      ->check(CLI::Range(0, 65535));
  start->add_option("--num-cpus", options->num_cpus, "default: the number of cores")
      ->check(CLI::Range(0.0, 1e6));
  start->add_option("--num-gpus", options->num_gpus, "default: none")->check(CLI::Range(0.0, 1e6));
  start->add_option("--memory", options->memory, "for tasks that ask for memory, such as 4GiB");
  start->add_option("--object-store-memory", options->object_store_memory, "such as 2GiB");
  start->add_option("--resource", options->resources,
                    "a resource of your own: tape=1 (repeatable)");
  start->add_option("--label", options->labels, "a fact about the node: zone=a (repeatable)");
  start->add_option("--token-file", options->token_file,
                    "default: $MOBULA_TOKEN, $MOBULA_TOKEN_FILE, ~/.mobula/token");
  start->add_option("--log-level", options->log_level, "error, info or debug")
      ->capture_default_str();
  // A file and a flag could say different things of one key, so they exclude each other.
  for (CLI::Option* other : start->get_options()) {
    if (other != config && other != start->get_help_ptr()) config->excludes(other);
  }
  start->callback([options, &action] { action = [options] { return Start(*options); }; });
}

void AddStop(CLI::App& app, Action& action) {
  auto address = std::make_shared<std::string>();
  auto is_forced = std::make_shared<bool>(false);
  CLI::App* stop = app.add_subcommand("stop", "stop the nodes that `mobula start` began here");
  stop->add_option("--address", *address, "only those of the cluster whose head is HOST:PORT");
  stop->add_flag("--force", *is_forced, "kill at once");
  stop->callback([=, &action] { action = [=] { return StopNodes(*address, *is_forced); }; });
}

}  // namespace mobula::cli
