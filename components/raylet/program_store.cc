#include "components/raylet/program_store.h"

#include "components/protocol/gcs.pb.h"

#include <xxhash.h>

namespace mobula::raylet {
namespace {

constexpr std::string_view kSpace = "programs";

std::string ChunkKey(const std::string& hash, std::size_t index) {
  return fmt::format("{}/{:06}", hash, index);
}
/// Written last, so that whoever sees it can fetch every chunk.
std::string CountKey(const std::string& hash) { return hash + "/count"; }

}  // namespace

std::string HashProgram(std::string_view bytes) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes.data(), bytes.size()));
  return ToHex({reinterpret_cast<const char*>(canonical.digest), sizeof canonical.digest});
}

ProgramStore::ProgramStore(Deps deps, std::string folder)
    : deps_(deps), folder_(std::move(folder)) {}

void ProgramStore::AddLocal(const protocol::Program& program) {
  local_[program.hash()] = program.path();
}

void ProgramStore::EnsureLocal(const protocol::Program& program, Done<std::string> done) {
  const std::string& hash = program.hash();
  if (const auto it = local_.find(hash); it != local_.end()) return done(it->second);
  if (folder_.empty()) return done(program.path());
  // An earlier raylet on this host may have fetched it. The name is the hash of its bytes, so an
  // old file of that name is the right one.
  const std::string path = folder_ + "/" + hash;
  if (deps_.files.Exists(path)) {
    local_[hash] = path;
    done(path);
    return;
  }
  // The first caller starts the transfer, and those that come meanwhile wait for the same one.
  auto& waiting = fetching_[hash];
  waiting.push_back(std::move(done));
  if (waiting.size() > 1) return;
  tasks_.Spawn<std::string>(Fetch(hash), [this, hash](Result<std::string> fetched) {
    // A failure is not remembered: the next lease of this program tries again.
    if (fetched) local_[hash] = *fetched;
    auto all = fetching_.extract(hash);
    for (auto& one : all.mapped()) one(fetched);
  });
}

void ProgramStore::EnsureShared(const std::string& hash, Done<void> done) {
  // Only the raylet that the program came from by path can share it. One that has fetched it knows
  // that the GCS has it.
  const auto it = local_.find(hash);
  if (folder_.empty() || shared_.contains(hash) || it == local_.end()) return done({});
  auto& waiting = sharing_[hash];
  waiting.push_back(std::move(done));
  if (waiting.size() > 1) return;
  tasks_.Spawn<void>(Share(hash, it->second), [this, hash](Result<void> result) {
    if (result) shared_.insert(hash);
    auto all = sharing_.extract(hash);
    for (auto& one : all.mapped()) one(result);
  });
}

Task<void> ProgramStore::Share(std::string hash, std::string path) {
  Result<std::string> bytes = deps_.files.Read(path, kProgramBytesMax);
  if (!bytes) co_return Fail(std::move(bytes.error()).Context("sharing the program"));
  // Its user has compiled it again while the driver runs. Workers elsewhere would run other code
  // than those here.
  if (HashProgram(*bytes) != hash) {
    co_return Fail(ErrorCode::kVersionMismatch,
                   "{} has changed since the driver was started; start the driver again", path);
  }
  const std::string count_key = CountKey(hash);
  Result<std::optional<std::string>> known = co_await AwaitCallback<std::optional<std::string>>(
      [&](auto done) { deps_.gcs.Get(std::string(kSpace), count_key, std::move(done)); });
  if (!known) co_return Fail(std::move(known.error()));
  // An earlier driver of the same program has shared it.
  if (*known) co_return {};
  const std::size_t count = (bytes->size() + kChunkBytes - 1) / kChunkBytes;
  // The GCS bounds the size of one value, so the program goes in chunks. Their count is stored
  // last.
  for (std::size_t i = 0; i <= count; ++i) {
    const bool is_last = i == count;
    std::string key = is_last ? count_key : ChunkKey(hash, i);
    std::string value =
        is_last ? std::to_string(count) : bytes->substr(i * kChunkBytes, kChunkBytes);
    Result<protocol::PutValueReply> put =
        co_await AwaitCallback<protocol::PutValueReply>([&](auto done) {
          deps_.gcs.Put(std::string(kSpace), std::move(key), std::move(value), std::move(done));
        });
    if (!put) co_return Fail(std::move(put.error()).Context("sharing the program"));
  }
  deps_.log.Info("program", "shared", "hash={} bytes={}", hash, bytes->size());
  co_return {};
}

Task<std::string> ProgramStore::Fetch(std::string hash) {
  std::string bytes;
  std::size_t count = 1;
  for (std::size_t i = 0; i <= count; ++i) {
    std::string key = i == 0 ? CountKey(hash) : ChunkKey(hash, i - 1);
    Result<std::optional<std::string>> value = co_await AwaitCallback<std::optional<std::string>>(
        [&](auto done) { deps_.gcs.Get(std::string(kSpace), std::move(key), std::move(done)); });
    if (!value) co_return Fail(std::move(value.error()).Context("fetching the program"));
    // The request was not sent on by the raylet where the driver is, which shares before it spills.
    if (!*value) {
      co_return Fail(ErrorCode::kNotFound, "program {} was not shared with the cluster", hash);
    }
    if (i == 0) {
      count = static_cast<std::size_t>(std::strtoull((*value)->c_str(), nullptr, 10));
    } else {
      bytes += **value;
    }
    if (bytes.size() > kProgramBytesMax) {
      co_return Fail(ErrorCode::kResourceExhausted, "program {} is larger than {} bytes", hash,
                     kProgramBytesMax);
    }
  }
  if (HashProgram(bytes) != hash) {
    co_return Fail(ErrorCode::kCorrupt, "the bytes of program {} do not match its hash", hash);
  }
  // Atomically: a raylet that ends halfway must not leave half a program under a name that promises
  // the whole.
  const std::string path = folder_ + "/" + hash;
  Result<void> made = deps_.files.MakeFolder(folder_);
  if (made) made = deps_.files.WriteAtomically(path, bytes, FileMode::kProgram);
  if (!made) co_return Fail(std::move(made.error()).Context("keeping the program"));
  deps_.log.Info("program", "fetched", "hash={} bytes={}", hash, bytes.size());
  co_return path;
}

}  // namespace mobula::raylet
