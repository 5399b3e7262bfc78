#include "node/process/program.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <fstream>
#include <sstream>

#include "components/protocol/common.pb.h"
#include "components/raylet/program_store.h"
#include "components/transport/handshake.h"

namespace mobula::node {
namespace {

// Programs may be large and are mostly in the page cache already, so the bytes are mapped, not
// read.
Result<std::string> HashFile(const char* path) {
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Fail(ErrorCode::kInternal, "cannot read {}: {}", path, std::strerror(errno));
  struct stat status{};
  ::fstat(fd, &status);
  const auto size = static_cast<std::size_t>(status.st_size);
  void* const bytes = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
  ::close(fd);
  if (bytes == MAP_FAILED) {
    return Fail(ErrorCode::kInternal, "cannot map {}: {}", path, std::strerror(errno));
  }
  std::string hash = raylet::HashProgram({static_cast<const char*>(bytes), size});
  ::munmap(bytes, size);
  return hash;
}

}  // namespace

Result<protocol::Program> ThisProgram() {
  // The link leads to the file that runs, even if another has been put in its place since.
  Result<std::string> hash = HashFile("/proc/self/exe");
  if (!hash) return Fail(std::move(hash.error()).Context("hashing this program"));
  std::array<char, 4096> path{};
  const ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size() - 1);
  protocol::Program program;
  std::string_view name(path.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  constexpr std::string_view kReplaced = " (deleted)";  // as Linux says; hashes tell the new one
  if (name.ends_with(kReplaced)) name.remove_suffix(kReplaced.size());
  program.set_path(std::string(name));
  program.set_hash(*hash);
  // Workers are started with the driver's arguments and in its folder: their `main` runs up to
  // `Init`, and may read files on its way.
  std::ifstream file("/proc/self/cmdline");
  std::stringstream text;
  text << file.rdbuf();
  const std::string line = text.str();
  for (std::size_t begin = 0; begin < line.size();) {
    const std::size_t end = std::min(line.find('\0', begin), line.size());
    program.add_arguments(line.substr(begin, end - begin));
    begin = end + 1;
  }
  if (::getcwd(path.data(), path.size()) != nullptr) program.set_folder(path.data());
  // For people: two builds of one program differ in the hash, and two libraries in the last part.
  const std::string& full = program.path();
  program.set_build(fmt::format("{} {} ({})", full.substr(full.rfind('/') + 1), hash->substr(0, 8),
                                transport::BuildName()));
  return program;
}

}  // namespace mobula::node
