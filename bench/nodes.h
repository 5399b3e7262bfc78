/// \file
/// \brief Two real nodes for a workload: a head and a worker, as processes, gone afterwards.
#pragma once

#include <sys/types.h>

#include <string>

namespace bench {

/// Starts the nodes in a folder of its own under /tmp; throws std::runtime_error if they do not
/// come up.
class TwoNodes {
 public:
  explicit TwoNodes(const std::string& binaries);
  ~TwoNodes();
  TwoNodes(const TwoNodes&) = delete;
  TwoNodes& operator=(const TwoNodes&) = delete;

  [[nodiscard]] const std::string& address() const { return address_; }
  [[nodiscard]] std::string token_file() const { return folder_ + "/token"; }
  [[nodiscard]] const std::string& second_node_id() const { return second_node_id_; }
  /// \return resident memory of the idle head without the object arena, in MB.
  [[nodiscard]] double head_resident_mb() const;

 private:
  pid_t Start(const std::string& binaries, const std::string& name, const std::string& yaml);

  std::string folder_;
  std::string address_;
  std::string second_node_id_;
  pid_t head_ = 0;
  pid_t worker_ = 0;
};

/// \return resident memory of a forked child that only waits, in MB.
[[nodiscard]] double BareProcessMb();

}  // namespace bench
