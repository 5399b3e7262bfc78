// \edge: talks to people
//
// mobula status: what the cluster is, has, and waits for.

#include <boost/json.hpp>
#include <memory>

#include "cli/commands.h"
#include "components/base/config_value.h"
#include "components/base/real/file_system.h"
#include "components/protocol/gcs_convert.h"
#include "node/process/cluster_connection.h"
#include "node/session.h"

namespace mobula::cli {
namespace {

std::string FormatAmount(std::string_view name, Amount amount) {
  // Memory is counted in bytes, and shown in a unit that can be read at a glance.
  return name == kMemory ? FormatSize(static_cast<std::uint64_t>(std::max(0.0, amount.ToDouble())))
                         : amount.ToString();
}

boost::json::object ToJson(const ResourceSet& set) {
  boost::json::object json;
  for (const auto& [name, amount] : set.entries()) json[name] = amount.ToDouble();
  return json;
}

boost::json::object ToJson(const protocol::NodeInfo& node) {
  // The counters go out as they are, so that a new one needs no change here.
  boost::json::object counters;
  for (const auto& [name, value] : node.counters()) counters[name] = value;
  boost::json::array demands;
  for (const protocol::Demand& demand : node.demands()) {
    demands.push_back({{"resources", ToJson(protocol::FromProto(demand.resources()))},
                       {"count", demand.count()},
                       {"reason", demand.reason()}});
  }
  // These names are promised: scripts read them.
  return {{"node_id", ToHex(node.node_id())},
          {"state", protocol::NodeState_Name(node.state())},
          {"is_head", node.is_head()},
          {"endpoint", node.endpoint()},
          {"host_name", node.host_name()},
          {"pid", node.pid()},
          {"resources_total", ToJson(protocol::FromProto(node.total()))},
          {"resources_available", ToJson(protocol::FromProto(node.available()))},
          {"object_store_used_bytes", node.object_store_used_bytes()},
          {"object_store_capacity_bytes", node.object_store_capacity_bytes()},
          {"workers", node.worker_count()},
          {"death_reason", node.death_reason()},
          {"counters", std::move(counters)},
          {"demands", std::move(demands)}};
}

void PrintJson(const std::string& address, const std::vector<protocol::NodeInfo>& nodes,
               const std::vector<protocol::JobInfo>& jobs) {
  boost::json::array node_list;
  for (const protocol::NodeInfo& node : nodes) node_list.push_back(ToJson(node));
  boost::json::array job_list;
  for (const protocol::JobInfo& job : jobs) {
    job_list.push_back({{"job_id", ToHex(job.job_id())},
                        {"state", job.state()},
                        {"message", job.message()},
                        {"entrypoint", job.entrypoint()},
                        {"driver_pid", job.pid()}});
  }
  const boost::json::object whole{
      {"address", address}, {"nodes", std::move(node_list)}, {"jobs", std::move(job_list)}};
  fmt::print("{}\n", boost::json::serialize(whole));
}

void PrintNodes(const std::vector<protocol::NodeInfo>& nodes) {
  fmt::print("\nNodes\n");
  for (const protocol::NodeInfo& node : nodes) {
    if (!protocol::IsAlive(node)) continue;
    // A node of another build may lack a counter.
    const auto count = [&](const std::string& name) {
      const auto it = node.counters().find(name);
      return it == node.counters().end() ? 0 : it->second;
    };
    fmt::print("  {}  {:<6}  {:<24}  {}  {} workers ({} ended)  {} leases granted, {} spilled\n",
               ToHex(node.node_id()).substr(0, 8), node.is_head() ? "head" : "worker",
               node.endpoint(), node.host_name(), node.worker_count(), count("workers_ended_total"),
               count("leases_granted_total"), count("leases_spilled_total"));
  }
  bool is_first = true;
  for (const protocol::NodeInfo& node : nodes) {
    // The dead are listed, too: the reason of a death is the first thing to look for after a
    // failure.
    if (protocol::IsAlive(node)) continue;
    if (std::exchange(is_first, false)) fmt::print("\nNodes that ended\n");
    fmt::print("  {}  {}  {}\n", ToHex(node.node_id()).substr(0, 8), node.endpoint(),
               node.death_reason());
  }
}

void PrintResources(const std::vector<protocol::NodeInfo>& nodes) {
  // Sums over the nodes that live: what a dead one had is nobody's any more.
  ResourceSet total;
  ResourceSet available;
  std::uint64_t store_used = 0;
  std::uint64_t store_capacity = 0;
  for (const protocol::NodeInfo& node : nodes) {
    if (!protocol::IsAlive(node)) continue;
    total.Add(protocol::FromProto(node.total()));
    available.Add(protocol::FromProto(node.available()));
    store_used += node.object_store_used_bytes();
    store_capacity += node.object_store_capacity_bytes();
  }
  fmt::print("\nResources (used / total)\n");
  // Used is what the nodes have and do not offer any more, as of the last report of each.
  for (const auto& [name, amount] : total.entries()) {
    const Amount used = amount - available.Get(name);
    fmt::print("  {} / {} {}\n", FormatAmount(name, used), FormatAmount(name, amount), name);
  }
  fmt::print("  {} / {} object store\n", FormatSize(store_used), FormatSize(store_capacity));
}

void PrintDemands(const std::vector<protocol::NodeInfo>& nodes) {
  fmt::print("\nWaiting\n");
  bool is_any = false;
  for (const protocol::NodeInfo& node : nodes) {
    if (!protocol::IsAlive(node)) continue;
    for (const protocol::Demand& demand : node.demands()) {
      is_any = true;
      fmt::print("  {} × {} on {}: {}\n", demand.count(),
                 protocol::FromProto(demand.resources()).ToString(),
                 ToHex(node.node_id()).substr(0, 8), demand.reason());
    }
  }
  if (!is_any) fmt::print("  nothing\n");
}

void PrintJobs(const std::vector<protocol::JobInfo>& jobs) {
  fmt::print("\nJobs\n");
  bool is_any = false;
  for (const protocol::JobInfo& job : jobs) {
    if (!protocol::IsRunning(job)) continue;
    is_any = true;
    fmt::print("  {}  {}  driver pid {}\n", ToHex(job.job_id()), job.entrypoint(), job.pid());
  }
  if (!is_any) fmt::print("  none running\n");
  for (const protocol::JobInfo& job : jobs) {
    // Of the jobs that ended only failures are shown, each with its reason.
    if (job.state() != "FAILED") continue;
    fmt::print("  {}  {}  FAILED: {}\n", ToHex(job.job_id()), job.entrypoint(), job.message());
  }
}

int Status(const std::string& given, const std::string& format, const std::string& token_file) {
  // Without an address it is that of a node on this machine, if all of them are of one cluster.
  Result<std::string> address = FindAddress(given);
  if (!address) return Complain(address.error());
  RealFileSystem files;
  // Found where `start` has put it, unless it is told: the user does not have to copy it about.
  Result<transport::Token> token = node::FindToken(files, token_file);
  if (!token) return Complain(token.error());
  // An ordinary client of the GCS, which proves that it knows the token like any other.
  node::ClusterConnection cluster(*address, *token, "tool");
  Result<std::vector<protocol::NodeInfo>> nodes = cluster.Nodes();
  if (!nodes) return Complain(nodes.error());
  Result<std::vector<protocol::JobInfo>> jobs = cluster.Jobs();
  if (!jobs) return Complain(jobs.error());
  // Programs get all that is known, people what they look for first.
  if (format == "json") {
    PrintJson(*address, *nodes, *jobs);
    return 0;
  }
  fmt::print("Cluster at {}\n", *address);
  PrintNodes(*nodes);
  PrintResources(*nodes);
  PrintDemands(*nodes);
  PrintJobs(*jobs);
  return 0;
}

}  // namespace

void AddStatus(CLI::App& app, Action& action) {
  auto address = std::make_shared<std::string>();  // owners: the parser's callback
  auto format = std::make_shared<std::string>("text");
  auto token_file = std::make_shared<std::string>();
  CLI::App* status = app.add_subcommand("status", "show nodes, resources, and what waits and why");
  status->add_option("--address", *address, "HOST:PORT of the head; default: of a node here");
  status->add_option("--format", *format, "text or json")->check(CLI::IsMember({"text", "json"}));
  status->add_option("--token-file", *token_file,
                     "default: $MOBULA_TOKEN, $MOBULA_TOKEN_FILE, ~/.mobula/token");
  status->callback(
      [=, &action] { action = [=] { return Status(*address, *format, *token_file); }; });
}

}  // namespace mobula::cli
