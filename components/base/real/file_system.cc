#include "components/base/real/file_system.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <system_error>

namespace mobula {
namespace {

namespace fs = std::filesystem;

std::unexpected<Error> FailErrno(std::string_view doing, const fs::path& path, int error) {
  ErrorCode code = ErrorCode::kInternal;
  if (error == ENOENT || error == ENOTDIR) code = ErrorCode::kNotFound;
  // A full disk is told apart: it may have room again later.
  if (error == ENOSPC || error == EDQUOT) code = ErrorCode::kResourceExhausted;
  return Fail(code, "cannot {} '{}': {}", doing, path.string(),
              std::generic_category().message(error));
}

/// Closes its descriptor.
class File {
 public:
  File(const fs::path& path, int flags, mode_t mode = 0)
      : fd_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {}
  File(const File&) = delete;
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] bool is_open() const { return fd_ >= 0; }
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

fs::path FolderOf(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

/// \return 0 or the error. An entry of a folder lasts only when the folder was synced.
int SyncFolder(const fs::path& path) {
  const File folder(path, O_RDONLY | O_DIRECTORY);
  return folder.is_open() && ::fsync(folder.fd()) == 0 ? 0 : errno;
}

/// \return 0 or the error.
int WriteAndSync(const fs::path& path, std::string_view bytes, mode_t mode) {
  const File file(path, O_WRONLY | O_CREAT | O_EXCL, mode);
  if (!file.is_open()) return errno;
  if (::fchmod(file.fd(), mode) != 0) return errno;  // whatever the umask
  while (!bytes.empty()) {
    const ssize_t written = ::write(file.fd(), bytes.data(), bytes.size());
    // A signal of the user's program is no reason to leave a file half written.
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return ::fsync(file.fd()) == 0 ? 0 : errno;
}

mode_t Bits(FileMode mode) {
  switch (mode) {
    case FileMode::kPrivate: return 0600;
    case FileMode::kReadable: return 0644;
    case FileMode::kProgram: return 0700;
  }
  return 0600;
}

}  // namespace

Result<std::string> RealFileSystem::Read(std::string_view path, std::uint64_t size_max) {
  const fs::path name(path);
  const File file(name, O_RDONLY);
  if (!file.is_open()) return FailErrno("read", name, errno);
  std::string bytes;
  constexpr std::size_t kChunk = 256 << 10;
  for (;;) {  // until the end, not until a size: files in /proc have none
    const std::size_t before = bytes.size();
    bytes.resize(before + kChunk);
    const ssize_t got = ::read(file.fd(), bytes.data() + before, kChunk);
    const int error = errno;
    bytes.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0 && error == EINTR) continue;
    if (got < 0) return FailErrno("read", name, error);
    if (got == 0) return bytes;
    // Asked after each piece, because the size of a file that grows is known only at its end.
    if (bytes.size() > size_max) {
      return Fail(ErrorCode::kResourceExhausted, "'{}' is larger than the {} bytes allowed", path,
                  size_max);
    }
  }
}

Result<std::string> RealFileSystem::ReadTail(std::string_view path, std::uint64_t size_max) {
  const fs::path name(path);
  const File file(name, O_RDONLY);
  if (!file.is_open()) return FailErrno("read", name, errno);
  struct stat status{};
  if (::fstat(file.fd(), &status) != 0) return FailErrno("read", name, errno);
  // The file may grow while it is read. What is added after this is not part of the tail.
  const auto most = static_cast<off_t>(size_max);
  std::string bytes(size_max, '\0');
  const ssize_t got =
      ::pread(file.fd(), bytes.data(), bytes.size(), std::max<off_t>(status.st_size - most, 0));
  if (got < 0) return FailErrno("read", name, errno);
  bytes.resize(static_cast<std::size_t>(got));
  return bytes;
}

Result<void> RealFileSystem::WriteAtomically(std::string_view path, std::string_view bytes,
                                             FileMode mode) {
  static std::atomic<std::uint64_t> count = 0;  // only makes names differ within this process
  const fs::path name(path);
  const fs::path fresh =
      FolderOf(name) / fmt::format(".{}.{}.{}.new", name.filename().string(), ::getpid(), ++count);
  // The bytes are on the disk before they have the name, and the name changes at one moment. So a
  // reader, and a machine that loses power, sees the old file or the new one, whole.
  int error = WriteAndSync(fresh, bytes, Bits(mode));
  if (error == 0 && ::rename(fresh.c_str(), name.c_str()) != 0) error = errno;
  if (error != 0) {
    // A file that was there already is not ours to remove.
    if (error != EEXIST) ::unlink(fresh.c_str());
    return FailErrno("write", name, error);
  }
  // Until the folder is on the disk, too, a crash could bring the old file back.
  error = SyncFolder(FolderOf(name));
  if (error != 0) return FailErrno("sync the folder of", name, error);
  return {};
}

Result<void> RealFileSystem::MakeFolder(std::string_view path) {
  fs::path folder;
  for (const auto& part : fs::path(path)) {
    folder /= part;
    // Sessions hold tokens and logs: nobody else may look into a folder of ours.
    if (::mkdir(folder.c_str(), 0700) == 0) {
      if (const int error = SyncFolder(FolderOf(folder)); error != 0) {
        return FailErrno("sync the folder of", folder, error);
      }
      continue;
    }
    const int error = errno;
    // Two processes may make the same folder at once: the second finds what it wanted.
    if (std::error_code ignored; fs::is_directory(folder, ignored)) continue;
    return FailErrno("make folder", folder, error);
  }
  return {};
}

Result<void> RealFileSystem::Remove(std::string_view path) {
  std::error_code error;
  fs::remove_all(fs::path(path), error);
  if (error) return FailErrno("remove", path, error.value());
  return {};
}

Result<std::vector<std::string>> RealFileSystem::List(std::string_view path) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator it(fs::path(path), error);
  for (; !error && it != fs::directory_iterator(); it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  if (error) return FailErrno("list", path, error.value());
  // The order of the system is that of its hash tables. A sorted one is the same in every run.
  std::ranges::sort(names);
  return names;
}

bool RealFileSystem::Exists(std::string_view path) {
  std::error_code ignored;
  return fs::exists(fs::path(path), ignored);
}

}  // namespace mobula
