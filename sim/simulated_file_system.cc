#include "sim/simulated_file_system.h"

#include <filesystem>
#include <limits>
#include <utility>

namespace mobula::sim {
namespace {

std::string Clean(std::string_view path) {
  std::string text = ("/" / std::filesystem::path(path)).lexically_normal().string();
  if (text.size() > 1 && text.ends_with('/')) text.pop_back();
  return text;
}

std::string FolderOf(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

/// \return whether `path` is inside `folder`, at any depth.
bool IsBelow(std::string_view path, std::string_view folder) {
  if (folder == "/") return path != "/";
  return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
}

}  // namespace

SimulatedFileSystem::SimulatedFileSystem() {
  // What processes see, and what a power cut would leave of it. A sync copies from the one to the
  // other.
  live_["/"];
  durable_["/"];
}

std::optional<Error> SimulatedFileSystem::FaultOf(Operation operation,
                                                  std::string_view path) const {
  return fault_ ? fault_(operation, path) : std::nullopt;
}

Result<std::string> SimulatedFileSystem::Read(std::string_view path, std::uint64_t size_max) {
  if (auto error = FaultOf(Operation::kRead, path)) return Fail(std::move(*error));
  const auto it = live_.find(Clean(path));
  if (it == live_.end()) return Fail(ErrorCode::kNotFound, "cannot read '{}': no such file", path);
  if (it->second.is_folder) return Fail(ErrorCode::kInternal, "'{}' is a folder", path);
  // As the real one: a file that has grown beyond all sense must not fill the memory of its reader.
  if (it->second.bytes.size() > size_max) {
    return Fail(ErrorCode::kResourceExhausted, "'{}' is larger than the {} bytes allowed", path,
                size_max);
  }
  return it->second.bytes;
}

Result<std::string> SimulatedFileSystem::ReadTail(std::string_view path, std::uint64_t size_max) {
  Result<std::string> bytes = Read(path, std::numeric_limits<std::uint64_t>::max());
  if (bytes && bytes->size() > size_max) bytes->erase(0, bytes->size() - size_max);
  return bytes;
}

Result<void> SimulatedFileSystem::WriteAtomically(std::string_view path, std::string_view bytes,
                                                  FileMode mode) {
  if (auto error = FaultOf(Operation::kWrite, path)) return Fail(std::move(*error));
  const std::string name = Clean(path);
  const std::string folder = FolderOf(name);
  if (const auto it = live_.find(folder); it == live_.end() || !it->second.is_folder) {
    return Fail(ErrorCode::kNotFound, "cannot write '{}': no folder '{}'", path, folder);
  }
  if (const auto it = live_.find(name); it != live_.end() && it->second.is_folder) {
    return Fail(ErrorCode::kInternal, "cannot write '{}': it is a folder", path);
  }
  // A real one writes beside the file, syncs, renames, and syncs the folder. Here it is one step,
  // and the folder's sync makes the other files of the folder durable as well.
  live_.insert_or_assign(name, Node{false, std::string(bytes), mode});
  SyncFolder(folder);
  return {};
}

void SimulatedFileSystem::SyncFolder(const std::string& folder) {
  // What was removed is gone for good only now. Before, it would have come back after a power cut.
  for (std::string above = folder; above != "/"; above = FolderOf(above)) durable_[above];
  std::erase_if(durable_, [&](const auto& entry) {
    return IsBelow(entry.first, folder) && !live_.contains(entry.first);
  });
  for (const auto& [path, node] : live_) {
    if (path != "/" && FolderOf(path) == folder) durable_[path] = node;
  }
}

Result<void> SimulatedFileSystem::MakeFolder(std::string_view path) {
  if (auto error = FaultOf(Operation::kMakeFolder, path)) return Fail(std::move(*error));
  const std::string name = Clean(path);
  // All of the path is looked at before any of it is made: a failure leaves nothing behind.
  for (std::string folder = name; folder != "/"; folder = FolderOf(folder)) {
    if (const auto it = live_.find(folder); it != live_.end() && !it->second.is_folder) {
      return Fail(ErrorCode::kInternal, "cannot make folder '{}': '{}' is a file", path, folder);
    }
  }
  for (std::string folder = name; folder != "/"; folder = FolderOf(folder)) live_[folder];
  return {};
}

Result<void> SimulatedFileSystem::Remove(std::string_view path) {
  if (auto error = FaultOf(Operation::kRemove, path)) return Fail(std::move(*error));
  const std::string name = Clean(path);
  std::erase_if(live_, [&](const auto& entry) {
    return entry.first != "/" && (entry.first == name || IsBelow(entry.first, name));
  });
  return {};
}

Result<std::vector<std::string>> SimulatedFileSystem::List(std::string_view path) {
  if (auto error = FaultOf(Operation::kList, path)) return Fail(std::move(*error));
  const std::string folder = Clean(path);
  if (const auto it = live_.find(folder); it == live_.end() || !it->second.is_folder) {
    return Fail(ErrorCode::kNotFound, "cannot list '{}': no such folder", path);
  }
  std::vector<std::string> names;
  for (const auto& [name, node] : live_) {
    if (name != "/" && FolderOf(name) == folder) names.push_back(name.substr(name.rfind('/') + 1));
  }
  return names;
}

bool SimulatedFileSystem::Exists(std::string_view path) { return live_.contains(Clean(path)); }

std::optional<FileMode> SimulatedFileSystem::Mode(std::string_view path) const {
  const auto it = live_.find(Clean(path));
  if (it == live_.end() || it->second.is_folder) return std::nullopt;
  return it->second.mode;
}

}  // namespace mobula::sim
