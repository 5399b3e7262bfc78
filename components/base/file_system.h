/// \file
/// \brief The file seam: the few things Mobula asks of a disk.
///
/// Real: real/file_system.h (POSIX). Simulated: memory that forgets at a crash what was not synced.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "components/base/result.h"

namespace mobula {

/// Who may read a file.
enum class FileMode : std::uint8_t {
  kPrivate /* 0600 */,
  kReadable /* 0644 */,
  kProgram /* 0700 */
};

/// Whole files by path. Threads: any. Cost: system calls; callers keep it off hot paths.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  /// \return the bytes. kNotFound if absent; kResourceExhausted above `size_max`; kInternal with
  ///         the system's text otherwise.
  [[nodiscard]] virtual Result<std::string> Read(std::string_view path, std::uint64_t size_max) = 0;
  /// \return the last bytes of the file, `size_max` at most. Errors as `Read`.
  [[nodiscard]] virtual Result<std::string> ReadTail(std::string_view path,
                                                     std::uint64_t size_max) = 0;
  /// Replaces the file as a whole: readers see the old bytes or the new ones, also after a crash
  /// once this has returned (written beside, synced, renamed, folder synced).
  [[nodiscard]] virtual Result<void> WriteAtomically(std::string_view path, std::string_view bytes,
                                                     FileMode mode) = 0;
  /// Makes the folder and those above it, each of mode 0700. Present is fine.
  [[nodiscard]] virtual Result<void> MakeFolder(std::string_view path) = 0;
  /// Removes a file or a whole folder. Absent is fine.
  [[nodiscard]] virtual Result<void> Remove(std::string_view path) = 0;
  /// \return names in the folder, sorted. kNotFound if there is no such folder.
  [[nodiscard]] virtual Result<std::vector<std::string>> List(std::string_view path) = 0;
  [[nodiscard]] virtual bool Exists(std::string_view path) = 0;
};

}  // namespace mobula
