/// \file
/// \edge
/// \brief Typed, read-only configuration values, and errors that name the key and the line.
///
/// `node/config.cc` turns YAML into a tree of `ConfigValue`; components read theirs through
/// `ConfigReader`, which remembers what was asked for, so that a key nobody asked for is an error
/// that lists the known ones. The first error wins; reading goes on with defaults.
#pragma once

#include <concepts>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "components/base/event_loop.h"
#include "components/base/result.h"

namespace mobula {

/// A scalar, a list or a map, as it stood in the file. A value; copies are deep.
class ConfigValue {
 public:
  using List = std::vector<ConfigValue>;
  using Map = std::map<std::string, ConfigValue, std::less<>>;

  ConfigValue() = default;
  explicit ConfigValue(std::string scalar, int line = 0) : value_(std::move(scalar)), line_(line) {}
  explicit ConfigValue(List list, int line = 0) : value_(std::move(list)), line_(line) {}
  explicit ConfigValue(Map map, int line = 0) : value_(std::move(map)), line_(line) {}

  [[nodiscard]] bool IsNull() const { return std::holds_alternative<std::monostate>(value_); }
  [[nodiscard]] const std::string* scalar() const { return std::get_if<std::string>(&value_); }
  [[nodiscard]] const List* list() const { return std::get_if<List>(&value_); }
  [[nodiscard]] const Map* map() const { return std::get_if<Map>(&value_); }
  [[nodiscard]] Map* map() { return std::get_if<Map>(&value_); }
  [[nodiscard]] int line() const { return line_; }  ///< From 1; 0 if not from a file.
  /// \return "a text", "a list", "a map", "nothing".
  [[nodiscard]] std::string_view TypeName() const;

 private:
  std::variant<std::monostate, std::string, List, Map> value_;
  int line_ = 0;
};

/// Reads the keys of one map and checks that none is left over.
///
/// Use: construct, call getters, call `Finish()`. Threads: one. Lifetime: the value outlives it.
class ConfigReader {
 public:
  /// \param path where this map stands, for messages: "object_store".
  ConfigReader(const ConfigValue& value, std::string path);

  [[nodiscard]] std::string Text(std::string_view key, std::string_view fallback);
  /// A whole number of the fallback's type, which holds all from `min` to `max`.
  template <std::integral T>
  [[nodiscard]] T Integer(std::string_view key, T fallback, std::int64_t min, std::int64_t max) {
    return static_cast<T>(Whole(key, static_cast<std::int64_t>(fallback), min, max));
  }
  [[nodiscard]] double Number(std::string_view key, double fallback, double min, double max);
  [[nodiscard]] bool Boolean(std::string_view key, bool fallback);
  /// A size such as `512MiB`, `4GiB`, `100000`; binary (KiB) and decimal (kB) units.
  [[nodiscard]] std::uint64_t Size(std::string_view key, std::uint64_t fallback);
  /// A time such as `250ms`, `5s`, `2min`.
  [[nodiscard]] Duration Time(std::string_view key, Duration fallback);
  /// \return the value under `key`, an empty map if there is none. The caller reads it itself.
  [[nodiscard]] const ConfigValue& Child(std::string_view key);
  /// \return every key and its number; for open maps such as custom resources.
  [[nodiscard]] std::map<std::string, double> NumberMap(std::string_view key);
  [[nodiscard]] std::map<std::string, std::string> TextMap(std::string_view key);
  [[nodiscard]] bool Has(std::string_view key);
  [[nodiscard]] const std::string& path() const { return path_; }

  /// Records an error of the caller's own about `key`, unless one came before.
  void Reject(std::string_view key, std::string_view why);
  template <typename... Args>
    requires(sizeof...(Args) > 0)
  void Reject(std::string_view key, fmt::format_string<Args...> why, Args&&... args) {
    Reject(key, fmt::format(why, std::forward<Args>(args)...));
  }
  /// \return the first error: wrong type, out of range, or an unknown key with the known ones.
  [[nodiscard]] Result<void> Finish() const;

 private:
  const ConfigValue* Find(std::string_view key);
  const std::string* Scalar(std::string_view key, std::string_view wanted);
  std::int64_t Whole(std::string_view key, std::int64_t fallback, std::int64_t min,
                     std::int64_t max);

  const ConfigValue* value_;
  std::string path_;
  std::vector<std::string> known_;
  std::optional<Error> error_;
};

/// \return the bytes that "512MiB" means. kInvalidArgument with an example otherwise.
[[nodiscard]] Result<std::uint64_t> ParseSize(std::string_view text);
/// \return the time that "250ms" means. kInvalidArgument with an example otherwise.
[[nodiscard]] Result<Duration> ParseTime(std::string_view text);
/// \return "1.5 GiB", "512 MiB", "17 B".
[[nodiscard]] std::string FormatSize(std::uint64_t bytes);
/// \return "1.25 s", "3.1 ms", "870 us".
[[nodiscard]] std::string FormatTime(Duration time);

}  // namespace mobula
