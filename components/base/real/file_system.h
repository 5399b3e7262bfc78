/// \file
/// \edge
/// \brief The disk of the operating system.
#pragma once

#include "components/base/file_system.h"

namespace mobula {

/// POSIX files. Threads: any. A crash inside `WriteAtomically` may leave `.<name>.<pid>.<n>.new`
/// beside the file; nothing reads it.
class RealFileSystem final : public FileSystem {
 public:
  [[nodiscard]] Result<std::string> Read(std::string_view path, std::uint64_t size_max) override;
  [[nodiscard]] Result<std::string> ReadTail(std::string_view path,
                                             std::uint64_t size_max) override;
  [[nodiscard]] Result<void> WriteAtomically(std::string_view path, std::string_view bytes,
                                             FileMode mode) override;
  [[nodiscard]] Result<void> MakeFolder(std::string_view path) override;
  [[nodiscard]] Result<void> Remove(std::string_view path) override;
  [[nodiscard]] Result<std::vector<std::string>> List(std::string_view path) override;
  [[nodiscard]] bool Exists(std::string_view path) override;
};

}  // namespace mobula
