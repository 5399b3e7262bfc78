#include "bench/nodes.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "components/base/real/file_system.h"
#include "node/process/cluster_connection.h"
#include "node/session.h"

namespace bench {
namespace {

/// \return VmRSS without shared memory, in MB.
double ResidentMb(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  double anonymous = 0;
  double file = 0;
  for (std::string word; status >> word;) {
    if (word == "RssAnon:") status >> anonymous;
    if (word == "RssFile:") status >> file;
  }
  return (anonymous + file) / 1024;
}

}  // namespace

TwoNodes::TwoNodes(const std::string& binaries) {
  char folder[] = "/tmp/mobula-bench-XXXXXX";
  if (::mkdtemp(folder) == nullptr) throw std::runtime_error("cannot make a folder in /tmp");
  folder_ = folder;
  head_ = Start(binaries, "head",
                "node: { role: head, token_file: " + token_file() +
                    ", log_level: error }\ngcs: { port: 0 }\nobject_store: { capacity: 1GiB }\n");
  for (const auto& session : std::filesystem::directory_iterator(folder_ + "/head")) {
    std::ifstream record(session.path() / "record.yaml");
    for (std::string word; record >> word;) {
      if (word == "head_address:") record >> address_;
    }
  }
  std::erase(address_, '"');
  worker_ = Start(binaries, "worker",
                  "node: { role: worker, head: '" + address_ + "', token_file: " + token_file() +
                      ", log_level: error }\nobject_store: { capacity: 1GiB }\n");
  mobula::RealFileSystem files;
  mobula::node::ClusterConnection cluster(
      address_, mobula::node::FindToken(files, token_file()).value(), "tool");
  const auto all = cluster.Nodes().value();  // named: a loop does not keep temporaries alive
  for (const auto& node : all) {
    if (!node.is_head()) second_node_id_ = mobula::ToHex(node.node_id());
  }
}

pid_t TwoNodes::Start(const std::string& binaries, const std::string& name,
                      const std::string& yaml) {
  const std::string config = folder_ + "/" + name + ".yaml";
  std::ofstream(config) << yaml;
  int ready[2];
  if (::pipe2(ready, O_CLOEXEC) != 0) throw std::runtime_error("no pipe left");
  const pid_t child = ::fork();
  if (child == 0) {
    ::setenv("MOBULA_SESSIONS", (folder_ + "/" + name).c_str(), 1);
    const int copy = ::dup(ready[1]);  // without close-on-exec
    const std::string fd = std::to_string(copy);
    ::execl((binaries + "/node").c_str(), "node", "--config", config.c_str(), "--background",
            "--ready-fd", fd.c_str(), nullptr);
    ::_exit(127);
  }
  ::close(ready[1]);
  char byte = 0;
  const bool is_up = ::read(ready[0], &byte, 1) == 1;
  ::close(ready[0]);
  if (!is_up) throw std::runtime_error("the " + name + " node did not start");
  return child;
}

TwoNodes::~TwoNodes() {
  for (const pid_t pid : {worker_, head_}) {
    if (pid <= 0) continue;
    ::kill(pid, SIGTERM);
    ::waitpid(pid, nullptr, 0);
  }
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

double TwoNodes::head_resident_mb() const { return ResidentMb(head_); }

double BareProcessMb() {
  const pid_t child = ::fork();
  if (child == 0) {
    ::execl("/bin/sleep", "sleep", "10", nullptr);
    ::_exit(127);
  }
  ::usleep(50'000);  // until the exec is done; a probe, not a test
  const double mb = ResidentMb(child);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  return mb;
}

}  // namespace bench
