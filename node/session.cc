#include "node/session.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <sstream>

#include "components/base/config_value.h"
#include "components/base/random.h"
#include "node/config.h"

namespace mobula::node {
namespace {

constexpr std::size_t kEndedSessionsKeptMax = 20;
constexpr std::time_t kMakingMax = 60;  // seconds that a session takes to get its record
constexpr std::uint64_t kSmallFileMax = 64 << 10;

std::string Environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

std::string RecordPath(const std::string& folder) { return folder + "/record.yaml"; }

Result<NodeRecord> ReadRecord(FileSystem& files, const std::string& folder) {
  Result<std::string> text = files.Read(RecordPath(folder), kSmallFileMax);
  if (!text) return Fail(std::move(text.error()));
  Result<ConfigValue> root = ParseYaml(*text, RecordPath(folder));
  if (!root) return Fail(std::move(root.error()));
  ConfigReader reader(*root, "record");
  NodeRecord record;
  record.folder = folder;
  record.pid = reader.Integer("pid", record.pid, 0, INT64_MAX);
  record.pid_start = reader.Integer("pid_start", record.pid_start, 0, INT64_MAX);
  record.is_head = reader.Boolean("is_head", false);
  record.is_background = reader.Boolean("is_background", false);
  record.head_address = reader.Text("head_address", "");
  record.node_id = reader.Text("node_id", "");
  record.token_file = reader.Text("token_file", "");
  if (Result<void> fine = reader.Finish(); !fine) return Fail(std::move(fine.error()));
  return record;
}

// A pid alone is no proof: after the node's end another process may have been given it.
bool IsAlive(const NodeRecord& record) {
  return record.pid_start != 0 && ProcessStart(record.pid) == record.pid_start;
}

transport::Token Trimmed(std::string text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) {
    text.pop_back();
  }
  return transport::Token(std::move(text));
}

std::time_t ModifiedAt(const std::string& folder) {
  struct stat info{};
  return ::stat(folder.c_str(), &info) == 0 ? info.st_mtime : 0;
}

/// Removes what ended sessions left, and the oldest of their logs.
void SweepSessions(FileSystem& files, const std::string& root, std::time_t now) {
  std::vector<std::string> ended;
  for (const std::string& name : files.List(root).value_or(std::vector<std::string>())) {
    const std::string folder = fmt::format("{}/{}", root, name);
    if (name.starts_with("new-") && ModifiedAt(folder) < now - kMakingMax) {
      (void)files.Remove(folder);  // whoever made it was killed at it
    }
    // Only what is known to have ended is touched. The folder is shared with all nodes of this
    // user.
    const Result<NodeRecord> record = ReadRecord(files, folder);
    if (!name.starts_with("n-") || (record && IsAlive(*record))) continue;
    if (!record && files.Exists(RecordPath(folder))) continue;  // another version's, or new
    EndSession(files, folder);
    ended.push_back(folder);
  }
  // Logs of the last sessions are kept: people look for them after something went wrong.
  if (ended.size() > kEndedSessionsKeptMax) {
    std::ranges::sort(ended, {}, ModifiedAt);
    ended.resize(ended.size() - kEndedSessionsKeptMax);
    for (const std::string& folder : ended) (void)files.Remove(folder);  // old logs, best effort
  }
}

}  // namespace

std::string SessionsFolder() {
  std::string folder = Environment("MOBULA_SESSIONS");
  return folder.empty() ? fmt::format("/tmp/mobula-{}", ::getuid()) : folder;
}

std::int64_t ProcessStart(std::int64_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  // A pid and the time when its process began are a name that is never given twice.
  const std::size_t name_end = text.rfind(')');  // the name may hold anything
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(text.substr(name_end + 2));
  std::string state;
  fields >> state;
  if (state == "Z") return 0;  // it has ended, and its parent has not looked yet
  std::string field;
  for (int i = 4; i <= 22; ++i) fields >> field;  // field 22 is the start time
  return std::strtoll(field.c_str(), nullptr, 10);
}

Result<std::string> MakeSession(FileSystem& files, std::string_view id) {
  const std::string root = SessionsFolder();
  if (Result<void> made = files.MakeFolder(root); !made) return Fail(std::move(made.error()));
  // The folder has a name that everybody can guess, in a place where everybody may write. Somebody
  // else could have made it first, to be given our sockets and logs.
  struct stat status{};
  if (::lstat(root.c_str(), &status) != 0 || status.st_uid != ::getuid() ||
      !S_ISDIR(status.st_mode)) {
    return Fail(ErrorCode::kPermissionDenied,
                "{} belongs to somebody else; set MOBULA_SESSIONS to a folder of your own", root);
  }
  // It gets its name when its record is there: what has no record may be swept by others.
  const std::string unnamed = fmt::format("{}/new-{}", root, id);
  Result<void> made = files.MakeFolder(unnamed + "/logs");
  if (!made) return Fail(std::move(made.error()));
  NodeRecord record;
  record.folder = unnamed;
  record.pid = ::getpid();
  record.pid_start = ProcessStart(record.pid);
  Result<void> written = WriteRecord(files, record);
  if (!written) return Fail(std::move(written.error()));
  std::string folder = fmt::format("{}/n-{}", root, id);
  if (std::rename(unnamed.c_str(), folder.c_str()) != 0) {
    return Fail(ErrorCode::kInternal, "{} cannot be renamed to {}", unnamed, folder);
  }
  // Each node clears up after those before it: a killed one could not do so itself.
  SweepSessions(files, root, ModifiedAt(folder));
  return folder;
}

Result<void> WriteRecord(FileSystem& files, const NodeRecord& record) {
  // Atomically, as others read it at any time: half a record would name a node that is not there.
  const std::string text = fmt::format(
      "pid: {}\npid_start: {}\nis_head: {}\nis_background: {}\nhead_address: \"{}\"\n"
      "node_id: \"{}\"\ntoken_file: {}\n",
      record.pid, record.pid_start, record.is_head, record.is_background, record.head_address,
      record.node_id, QuotedYaml(record.token_file));
  return files.WriteAtomically(RecordPath(record.folder), text, FileMode::kPrivate);
}

std::vector<NodeRecord> LiveRecords(FileSystem& files) {
  std::vector<NodeRecord> live;
  const std::string root = SessionsFolder();
  for (const std::string& name : files.List(root).value_or(std::vector<std::string>())) {
    const std::string folder = fmt::format("{}/{}", root, name);
    Result<NodeRecord> record = ReadRecord(files, folder);
    if (!record) continue;
    // Its node was killed before it could clear up. An empty address means that it is still
    // starting.
    if (!IsAlive(*record)) {
      EndSession(files, folder);
    } else if (!record->head_address.empty()) {
      live.push_back(std::move(*record));
    }
  }
  return live;
}

void EndSession(FileSystem& files, const std::string& folder) {
  // Sockets, programs and the record go; logs are the only thing of use to anybody now.
  for (const std::string& name : files.List(folder).value_or(std::vector<std::string>())) {
    if (name == "logs") continue;
    (void)files.Remove(fmt::format("{}/{}", folder, name));  // swept again at the next start
  }
}

std::string TokenPath(const std::string& file) {
  if (!file.empty()) return file;
  if (std::string path = Environment("MOBULA_TOKEN_FILE"); !path.empty()) return path;
  return Environment("HOME") + "/.mobula/token";
}

Result<transport::Token> FindToken(FileSystem& files, const std::string& file) {
  // A file that was named counts more than the environment, which counts more than the usual place.
  if (file.empty()) {
    if (std::string token = Environment("MOBULA_TOKEN"); !token.empty()) {
      return Trimmed(std::move(token));
    }
  }
  // Whoever can read the token can run code on every node, so a token that others may read is
  // refused as no token at all.
  const std::string path = TokenPath(file);
  struct stat status{};
  if (::stat(path.c_str(), &status) == 0 && (status.st_mode & 0077) != 0) {
    return Fail(ErrorCode::kPermissionDenied,
                "the token file {} can be read by others (mode {:o}); run: chmod 600 {}", path,
                status.st_mode & 0777, path);
  }
  // Nothing is minted here: a token of one's own would only be refused by the head.
  Result<std::string> text = files.Read(path, kSmallFileMax);
  if (!text) {
    return Fail(ErrorCode::kNotFound,
                "no token: {} is not there. Copy it from the head (it is minted by the first "
                "`mobula start --head`), or pass --token-file FILE or set MOBULA_TOKEN",
                path);
  }
  transport::Token token = Trimmed(std::move(*text));
  if (!token.IsEmpty()) return token;
  return Fail(ErrorCode::kPermissionDenied, "the token file {} is empty", path);
}

Result<transport::Token> FindOrMintToken(FileSystem& files, const std::string& file) {
  const std::string path = TokenPath(file);
  // A token that is there is never replaced: other nodes may have it.
  const bool is_given = file.empty() && !Environment("MOBULA_TOKEN").empty();
  if (is_given || files.Exists(path)) return FindToken(files, file);
  std::string secret;
  for (int i = 0; i < 4; ++i) {  // each word from fresh entropy, not from one 64-bit seed
    secret += fmt::format("{:016x}", Random::EntropySeed());
  }
  Result<void> made = files.MakeFolder(path.substr(0, path.rfind('/')));
  if (made) made = files.WriteAtomically(path, secret + "\n", FileMode::kPrivate);
  if (!made) return Fail(std::move(made.error()).Context("minting the token"));
  return transport::Token(std::move(secret));
}

}  // namespace mobula::node
