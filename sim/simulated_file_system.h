/// \file
/// \edge
/// \brief A disk in memory, which forgets at a crash what was not synced, and fails on demand.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "components/base/file_system.h"

namespace mobula::sim {

/// One machine's disk.
///
/// A file written is on disk when `WriteAtomically` returns, with the folders above it. A removal
/// and an empty folder last only once a file was written into the same folder; `Crash()` undoes
/// them before. Paths are compared after lexical clean-up; a relative path is below "/".
/// Threads: one.
class SimulatedFileSystem final : public FileSystem {
 public:
  enum class Operation : std::uint8_t { kRead, kWrite, kMakeFolder, kRemove, kList };
  /// \return the error that this operation shall end in, if any. A write that fails leaves the
  ///         old file.
  using Fault = std::function<std::optional<Error>(Operation operation, std::string_view path)>;

  SimulatedFileSystem();

  [[nodiscard]] Result<std::string> Read(std::string_view path, std::uint64_t size_max) override;
  [[nodiscard]] Result<std::string> ReadTail(std::string_view path,
                                             std::uint64_t size_max) override;
  [[nodiscard]] Result<void> WriteAtomically(std::string_view path, std::string_view bytes,
                                             FileMode mode) override;
  [[nodiscard]] Result<void> MakeFolder(std::string_view path) override;
  [[nodiscard]] Result<void> Remove(std::string_view path) override;
  [[nodiscard]] Result<std::vector<std::string>> List(std::string_view path) override;
  [[nodiscard]] bool Exists(std::string_view path) override;

  /// Forgets what was not synced, as a power cut does.
  void Crash() { live_ = durable_; }
  /// Asks `fault` before every operation; null: none fails.
  void SetFault(Fault fault) { fault_ = std::move(fault); }
  /// \return the mode of a file; nothing if there is no such file.
  [[nodiscard]] std::optional<FileMode> Mode(std::string_view path) const;

 private:
  struct Node {
    bool is_folder = true;
    std::string bytes;
    FileMode mode = FileMode::kPrivate;
  };
  using Tree = std::map<std::string, Node, std::less<>>;

  [[nodiscard]] std::optional<Error> FaultOf(Operation operation, std::string_view path) const;
  void SyncFolder(const std::string& folder);

  Tree live_;     ///< What programs see; by absolute path, "/" is always there.
  Tree durable_;  ///< What a crash leaves.
  Fault fault_;
};

}  // namespace mobula::sim
