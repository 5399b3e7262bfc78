/// \file
/// \brief Clusters for a workload: one of this program's own, or real nodes as processes.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace bench {

/// The cluster that a program starts for itself, with as many CPUs as the machine has cores.
class LocalCluster {
 public:
  LocalCluster();
  explicit LocalCluster(int cpus);
  ~LocalCluster();
  LocalCluster(const LocalCluster&) = delete;
  LocalCluster& operator=(const LocalCluster&) = delete;

  [[nodiscard]] static int Cores();
};

/// A head and, if wanted, a worker node, as processes in a folder of their own under /tmp; gone
/// afterwards. Throws std::runtime_error if they do not come up.
class Nodes {
 public:
  /// \param count 1: the head alone. 2: and a worker node.
  Nodes(std::string binaries, int count);
  ~Nodes();
  Nodes(const Nodes&) = delete;
  Nodes& operator=(const Nodes&) = delete;

  [[nodiscard]] const std::string& address() const { return address_; }
  [[nodiscard]] std::string token_file() const { return folder_ + "/token"; }
  [[nodiscard]] const std::string& head_endpoint() const { return head_endpoint_; }
  [[nodiscard]] const std::string& second_node_id() const { return second_node_id_; }
  [[nodiscard]] pid_t head() const { return pids_.front(); }
  [[nodiscard]] const std::vector<pid_t>& pids() const { return pids_; }
  /// Makes this program a driver of the cluster.
  void Join() const;

 private:
  pid_t Start(const std::string& name, const std::string& yaml);
  void FindHead();
  void AskForNodes();

  std::string binaries_;
  std::string folder_;
  std::string address_;
  std::string head_endpoint_;
  std::string second_node_id_;
  std::vector<pid_t> pids_;
};

}  // namespace bench
