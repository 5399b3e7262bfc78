// Counts the words of a folder of text: map over chunks, then merge in a tree.
//
// A word is a run of the letters A to Z, in lower case; so the result equals
//   cat FILES | tr -cs 'A-Za-z' '\n' | tr 'A-Z' 'a-z' | sort | uniq -c

#include <mobula/mobula.h>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <fstream>
#include <unordered_map>

#include "examples/options.h"

namespace {

using Counts = std::vector<std::pair<std::string, std::uint64_t>>;  // sorted by word

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

Counts CountWords(const mobula::Buffer& text) {
  std::unordered_map<std::string, std::uint64_t> counts;
  std::string word;
  for (const char c : text.text()) {
    if (IsLetter(c)) {
      word.push_back(static_cast<char>(c | 0x20));
    } else if (!word.empty()) {
      ++counts[word];
      word.clear();
    }
  }
  if (!word.empty()) ++counts[word];
  Counts sorted(counts.begin(), counts.end());
  std::ranges::sort(sorted);
  return sorted;
}

Counts Merge(const Counts& a, const Counts& b) {
  Counts merged;
  merged.reserve(a.size() + b.size());
  auto x = a.begin();
  auto y = b.begin();
  while (x != a.end() || y != b.end()) {
    if (y == b.end() || (x != a.end() && x->first < y->first)) {
      merged.push_back(*x++);
    } else if (x == a.end() || y->first < x->first) {
      merged.push_back(*y++);
    } else {
      merged.emplace_back(x->first, x->second + y->second);
      ++x;
      ++y;
    }
  }
  return merged;
}

constexpr std::string_view kNoText[] = {".gz", ".gif", ".html", ".jpg", ".pdf", ".png", ".svg"};

/// Adds the text files below `folder`, and their sizes.
void AddFiles(const std::filesystem::path& folder, std::vector<std::filesystem::path>& files,
              std::uint64_t& bytes) {
  const auto options = std::filesystem::directory_options::skip_permission_denied;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, options)) {
    std::error_code ignored;
    if (!entry.is_regular_file(ignored) || entry.is_symlink()) continue;
    if (std::ranges::count(kNoText, entry.path().extension().string()) > 0) continue;
    files.push_back(entry.path());
    bytes += entry.file_size(ignored);
  }
}

/// \return the files of the folder that was given; of none: what any Debian has to read.
std::vector<std::filesystem::path> FindFiles(const std::string& given, std::uint64_t& bytes) {
  std::vector<std::filesystem::path> files;
  if (!given.empty()) {
    AddFiles(given, files, bytes);
  } else {
    for (const char* const folder : {"/usr/share/common-licenses", "/usr/share/doc"}) {
      if (std::filesystem::is_directory(folder)) AddFiles(folder, files, bytes);
    }
  }
  std::ranges::sort(files);
  return files;
}

/// Reads files as one text, in chunks that end between words.
class Chunks {
 public:
  Chunks(std::vector<std::filesystem::path> files, std::size_t size)
      : files_(files.begin(), files.end()), size_(size) {}

  /// \return the next chunk; empty at the end.
  std::string Next() {
    while (text_.size() < size_ && !files_.empty()) {
      std::ifstream file(files_.front(), std::ios::binary);
      if (!stream_open_) position_ = 0;
      file.seekg(static_cast<std::streamoff>(position_));
      const std::size_t before = text_.size();
      text_.resize(size_ + 1);
      file.read(text_.data() + before, static_cast<std::streamsize>(text_.size() - before));
      const auto got = static_cast<std::size_t>(file.gcount());
      text_.resize(before + got);
      position_ += got;
      stream_open_ = !file.eof() && got > 0;
      if (stream_open_) continue;
      files_.pop_front();
      text_.push_back('\n');  // no word spans two files
    }
    std::size_t end = std::min(size_, text_.size());
    while (end > 0 && end < text_.size() && IsLetter(text_[end - 1])) --end;
    if (end == 0) end = text_.size();  // one word longer than a chunk
    std::string chunk = text_.substr(0, end);
    text_.erase(0, end);
    return chunk;
  }

 private:
  std::deque<std::filesystem::path> files_;
  std::size_t size_;
  std::string text_;
  std::uint64_t position_ = 0;
  bool stream_open_ = false;
};

/// Merges neighbours until one is left.
mobula::ObjectRef<Counts> MergeAll(std::deque<mobula::ObjectRef<Counts>> parts) {
  while (parts.size() > 1) {
    parts.push_back(mobula::Remote<Merge>(parts[0], parts[1]));
    parts.erase(parts.begin(), parts.begin() + 2);
  }
  return parts.front();
}

constexpr const char* kUsage =
    "word_count [--folder FOLDER] [--chunk-kb 512] [--output FILE] [--top 10] [--retries 20]\n"
    "counts the text files of FOLDER (not HTML, pictures, or what is compressed); by default the\n"
    "licences and documents of this machine: /usr/share/common-licenses and /usr/share/doc\n";

int CountFolder(int argc, char** argv) {
  const examples::Options options(
      argc, argv,
      {{"folder", ""}, {"chunk-kb", "512"}, {"output", ""}, {"top", "10"}, {"retries", "20"}},
      kUsage);
  const auto chunk_bytes = static_cast<std::size_t>(options.Number("chunk-kb", 1, 100'000)) << 10;
  const auto retries = static_cast<std::int32_t>(options.Number("retries", -1, 1'000'000));
  const std::string& folder = options.Text("folder");
  if (!folder.empty() && !std::filesystem::is_directory(folder)) {
    std::fprintf(stderr, "%s is not a folder\n%s", folder.c_str(), kUsage);
    return 2;
  }
  const examples::Stopwatch whole;
  mobula::Init(argc, argv);
  const double joined = whole.Seconds();

  std::uint64_t bytes = 0;
  Chunks chunks(FindFiles(folder, bytes), chunk_bytes);
  const std::size_t total = bytes / chunk_bytes + 1;
  constexpr std::size_t kInFlight = 16;  // chunks whose text is in the store at one time
  std::deque<mobula::ObjectRef<Counts>> parts;
  std::vector<mobula::ObjectRef<Counts>> running;
  const mobula::RemoteOptions task{.max_retries = retries};
  for (std::string text = chunks.Next(); !text.empty(); text = chunks.Next()) {
    running.push_back(mobula::Remote<CountWords>.With(task)(mobula::Buffer(std::move(text))));
    parts.push_back(running.back());
    if (running.size() >= kInFlight) running = mobula::Wait(std::move(running), 1).pending;
    examples::Progress("word_count", parts.size(), std::max(total, parts.size()), "chunks");
  }
  if (parts.empty()) parts.push_back(mobula::Remote<CountWords>(mobula::Buffer()));
  const Counts counts = mobula::Get(MergeAll(std::move(parts)));

  std::uint64_t words = 0;
  for (const auto& [word, count] : counts) words += count;
  if (!options.Text("output").empty()) {
    std::ofstream file(options.Text("output"));
    for (const auto& [word, count] : counts) file << count << ' ' << word << '\n';
  }
  Counts top = counts;
  const auto shown =
      std::min<std::size_t>(top.size(), static_cast<std::size_t>(options.Number("top", 0, 1000)));
  std::partial_sort(top.begin(), top.begin() + static_cast<std::ptrdiff_t>(shown), top.end(),
                    [](const auto& a, const auto& b) {
                      return a.second != b.second ? a.second > b.second : a.first < b.first;
                    });
  for (std::size_t i = 0; i < shown; ++i) {
    std::printf("%10llu %s\n", static_cast<unsigned long long>(top[i].second),
                top[i].first.c_str());
  }
  const double seconds = whole.Seconds() - joined;
  std::printf("%llu words, %zu different, in %.1f MB\n", static_cast<unsigned long long>(words),
              counts.size(), static_cast<double>(bytes) / 1e6);
  std::printf("time: %.3f s to join, %.3f s to count (%.1f MB/s)\n", joined, seconds,
              static_cast<double>(bytes) / 1e6 / seconds);
  mobula::Shutdown();
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return examples::Run(CountFolder, argc, argv); }
