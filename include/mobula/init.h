/// \file
/// \brief The beginning and the end of a program's part in a cluster.
#pragma once

#include <cstdint>
#include <string>

namespace mobula {

/// What `Init` joins or starts.
enum class Mode : std::uint8_t {
  kAuto,      ///< Joins `address`, else $MOBULA_ADDRESS, else starts a local cluster.
  kLocal,     ///< Starts a cluster of processes on this machine, for this program only.
  kEmbedded,  ///< Head, nodes and workers as threads of this process: for debugging and tests.
};

/// Settings of `Init`. Zero and empty mean: as the cluster or the machine says.
struct InitOptions {
  std::string address = {};  ///< Of the head, such as "10.0.0.5:6379".
  Mode mode = Mode::kAuto;
  int num_cpus = 0;                      ///< Of a cluster that is started.
  int num_nodes = 1;                     ///< Of an embedded cluster.
  std::uint64_t object_store_bytes = 0;  ///< For each node that is started.
  std::string token_file = {};           ///< Where the cluster's token is, if not in its home.
  std::string log_level = {};            ///< "error", "info" or "debug".
};

/// Makes this process part of a cluster. Call it first in `main`: in a worker process, which is
/// this same program, it serves tasks and does not return.
///
/// Throws UnavailableError, PermissionDeniedError, VersionMismatchError, InvalidArgumentError
/// (also if it is called twice without `Shutdown`).
void Init(int argc, char** argv, InitOptions options = {});
/// The same without a command line.
void Init(InitOptions options);

/// Ends this process's part: its tasks are cancelled, its objects are freed, a cluster that `Init`
/// started ends. Twice is harmless. Runs at exit if it was not called.
void Shutdown();

[[nodiscard]] bool IsInitialized();

}  // namespace mobula
