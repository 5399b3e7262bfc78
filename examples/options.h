/// \file
/// \brief What the examples share: command lines (`--name value`), progress, how they fail.
#pragma once

#include <mobula/errors.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

namespace examples {

/// The options of one run. An unknown or malformed one ends the program with the usage, exit 2.
class Options {
 public:
  /// \param known name → default. \param usage one line per option.
  Options(int argc, char** argv, std::map<std::string, std::string> known, const char* usage)
      : values_(std::move(known)) {
    for (int i = 1; i < argc; ++i) {
      const std::string word = argv[i];
      if (word == "--help") {
        std::printf("%s", usage);
        std::exit(0);
      }
      const bool is_option = word.starts_with("--") && values_.contains(word.substr(2));
      if (!is_option || i + 1 == argc) {
        std::fprintf(stderr, "%s: %s\n%s", is_option ? "value missing" : "unknown option",
                     word.c_str(), usage);
        std::exit(2);
      }
      values_[word.substr(2)] = argv[++i];
    }
  }
  [[nodiscard]] const std::string& Text(const std::string& name) const { return values_.at(name); }
  [[nodiscard]] std::int64_t Number(const std::string& name, std::int64_t min,
                                    std::int64_t max) const {
    const std::string& text = values_.at(name);
    char* end = nullptr;
    const std::int64_t value = std::strtol(text.c_str(), &end, 10);
    if (text.empty() || *end != 0 || value < min || value > max) {
      std::fprintf(stderr, "--%s is '%s'; it takes a number from %ld to %ld\n", name.c_str(),
                   text.c_str(), min, max);
      std::exit(2);
    }
    return value;
  }

 private:
  std::map<std::string, std::string> values_;
};

/// Seconds since it was made.
class Stopwatch {
 public:
  [[nodiscard]] double Seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

/// Prints "name: done/total what" to standard error: in place on a terminal, else every tenth.
inline void Progress(const char* name, std::size_t done, std::size_t total, const char* what) {
  static const bool is_terminal = std::getenv("TERM") != nullptr && std::getenv("CI") == nullptr;
  const std::size_t step = total < 10 ? 1 : total / 10;
  if (!is_terminal && done % step != 0 && done != total) return;
  const char* const end = is_terminal && done != total ? "\r" : "\n";
  std::fprintf(stderr, "%s: %zu/%zu %s%s", name, done, total, what, end);
}

/// Runs an example. An error of Mobula, such as a head that cannot be reached, is one line on
/// standard error and exit 1.
inline int Run(int (*example)(int, char**), int argc, char** argv) {
  try {
    return example(argc, argv);
  } catch (const mobula::Exception& error) {
    const std::string program = argv[0];
    std::fprintf(stderr, "%s: %s\n", program.substr(program.rfind('/') + 1).c_str(), error.what());
    return 1;
  }
}

}  // namespace examples
