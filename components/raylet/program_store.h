/// \file
/// \edge
/// \brief Programs by content hash: a driver's executable reaches every node that runs its tasks.
///
/// The raylet beside the driver knows where the executable is. When a lease is first sent to
/// another node, it puts the bytes into the GCS key-value store, in chunks, once; a raylet that is
/// asked to run the program fetches them, checks the hash, and keeps the file under that name.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "components/base/event_log.h"
#include "components/base/file_system.h"
#include "components/base/lifetime.h"
#include "components/base/task_group.h"
#include "components/gcs/client.h"
#include "components/protocol/common.pb.h"

namespace mobula::raylet {

/// \return the name of a program with these bytes: XXH3-128 in hex.
[[nodiscard]] std::string HashProgram(std::string_view bytes);

/// Threads: the state lock. Lifetime: everything in `Deps` outlives it. Bounds: programs up to
/// `kProgramBytesMax`, chunks of `kChunkBytes`.
class ProgramStore {
 public:
  static constexpr std::uint64_t kProgramBytesMax = 1ULL << 30;
  static constexpr std::size_t kChunkBytes = 2U << 20;
  struct Deps {
    FileSystem& files;
    gcs::GcsClient& gcs;
    EventLog& log;
  };

  /// \param folder where fetched programs are kept; empty: programs are never fetched or shared.
  ProgramStore(Deps deps, std::string folder);

  /// A driver on this host runs this program; its path is valid here.
  void AddLocal(const protocol::Program& program);
  /// Calls back with the program's path on this host, fetching it if need be. kNotFound when nobody
  /// has shared it; kCorrupt when the bytes do not match the hash.
  void EnsureLocal(const protocol::Program& program, Done<std::string> done);
  /// Makes sure other nodes can fetch it. At once if this node is not where it came from.
  void EnsureShared(const std::string& hash, Done<void> done);
  void Stop() { tasks_.Stop(); }

 private:
  Task<void> Share(std::string hash, std::string path);
  Task<std::string> Fetch(std::string hash);

  Deps deps_;
  std::string folder_;
  std::map<std::string, std::string> local_;  // hash → path
  std::set<std::string> shared_;
  std::map<std::string, std::vector<Done<void>>> sharing_;
  std::map<std::string, std::vector<Done<std::string>>> fetching_;
  TaskGroup tasks_;
};

}  // namespace mobula::raylet
