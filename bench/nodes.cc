#include "bench/nodes.h"

#include <fcntl.h>
#include <mobula/mobula.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "components/base/real/file_system.h"
#include "node/process/cluster_connection.h"
#include "node/session.h"

namespace bench {

int LocalCluster::Cores() { return static_cast<int>(std::thread::hardware_concurrency()); }
LocalCluster::LocalCluster() : LocalCluster(Cores()) {}
LocalCluster::LocalCluster(int cpus) {
  mobula::Init({.mode = mobula::Mode::kLocal, .num_cpus = cpus, .object_store_bytes = 3ULL << 30});
}
LocalCluster::~LocalCluster() { mobula::Shutdown(); }

Nodes::Nodes(std::string binaries, int count) : binaries_(std::move(binaries)) {
  char folder[] = "/tmp/mobula-bench-XXXXXX";
  if (::mkdtemp(folder) == nullptr) throw std::runtime_error("cannot make a folder in /tmp");
  folder_ = folder;
  const std::string rest =
      "token_file: " + token_file() + ", log_level: error }\nobject_store: { capacity: 3GiB }\n";
  pids_.push_back(Start("head", "gcs: { port: 0 }\nnode: { role: head, " + rest));
  FindHead();
  if (count > 1) {
    pids_.push_back(Start("worker", "node: { role: worker, head: '" + address_ + "', " + rest));
  }
  AskForNodes();
}

void Nodes::FindHead() {
  for (const auto& session : std::filesystem::directory_iterator(folder_ + "/head")) {
    std::ifstream record(session.path() / "record.yaml");
    for (std::string word; record >> word;) {
      if (word == "head_address:") record >> address_;
    }
  }
  std::erase(address_, '"');
}

void Nodes::AskForNodes() {
  mobula::RealFileSystem files;
  mobula::node::ClusterConnection cluster(
      address_, mobula::node::FindToken(files, token_file()).value(), "tool");
  const auto all = cluster.Nodes().value();  // named: a loop does not keep temporaries alive
  for (const auto& node : all) {
    if (node.is_head()) {
      head_endpoint_ = node.local_endpoint();
    } else {
      second_node_id_ = mobula::ToHex(node.node_id());
    }
  }
}

void Nodes::Join() const {
  mobula::Init({.address = address(), .token_file = token_file(), .log_level = "error"});
}

pid_t Nodes::Start(const std::string& name, const std::string& yaml) {
  const std::string config = folder_ + "/" + name + ".yaml";
  std::ofstream(config) << yaml;
  int ready[2];
  if (::pipe2(ready, O_CLOEXEC) != 0) throw std::runtime_error("no pipe left");
  const pid_t child = ::fork();
  if (child == 0) {
    ::setenv("MOBULA_SESSIONS", (folder_ + "/" + name).c_str(), 1);
    const int copy = ::dup(ready[1]);  // without close-on-exec
    const std::string fd = std::to_string(copy);
    ::execl((binaries_ + "/node").c_str(), "node", "--config", config.c_str(), "--background",
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

Nodes::~Nodes() {
  while (!pids_.empty()) {  // the head last
    ::kill(pids_.back(), SIGTERM);
    ::waitpid(pids_.back(), nullptr, 0);
    pids_.pop_back();
  }
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

}  // namespace bench
