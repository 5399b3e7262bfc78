#include "components/base/config_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace mobula {
namespace {

/// \return "store.capacity (line 4)", without what is not known.
std::string Place(std::string_view path, std::string_view key, int line) {
  std::string text(path);
  if (!path.empty() && !key.empty()) text += '.';
  text += key;
  if (text.empty()) text = "the configuration";
  if (line > 0) text += fmt::format(" (line {})", line);
  return text;
}

/// \return the number that all of `text` is, if it lies within the bounds; nothing for a NaN.
template <typename T>
std::optional<T> ParseBetween(std::string_view text, T min, T max) {
  T value = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || rest != text.data() + text.size()) return std::nullopt;
  // A NaN is neither above the least nor below the most, and so it is refused with the rest.
  return value >= min && value <= max ? std::optional(value) : std::nullopt;
}

/// \return what `parse` makes of `text`, or `fallback` if there is no text or it makes no sense.
template <typename T>
T Parsed(ConfigReader& reader, std::string_view key, const std::string* text, T fallback,
         std::string_view wanted, auto parse) {
  if (text == nullptr) return fallback;
  const auto value = parse(*text);
  if (!value) reader.Reject(key, "is '{}'; {} is wanted", *text, wanted);
  return value.value_or(fallback);
}

const ConfigValue& EmptyMap() {
  // A section that is absent reads like one that is empty: all its keys have their defaults.
  static const ConfigValue empty{ConfigValue::Map()};
  return empty;
}

}  // namespace

std::string_view ConfigValue::TypeName() const {
  constexpr std::array<std::string_view, 4> kNames = {"nothing", "a text", "a list", "a map"};
  return kNames[value_.index()];
}

ConfigReader::ConfigReader(const ConfigValue& value, std::string path)
    : value_(&value), path_(std::move(path)) {
  // A section without keys is a map, too: all that it could say has a default.
  if (value.IsNull() || value.map() != nullptr) return;
  Reject("", "is {}; a map of keys is wanted", value.TypeName());
}

const ConfigValue* ConfigReader::Find(std::string_view key) {
  // Every key that was asked for is known. `Finish` then finds the keys that nobody asked for.
  if (std::ranges::find(known_, key) == known_.end()) known_.emplace_back(key);
  const auto* map = value_->map();
  if (map == nullptr) return nullptr;
  const auto it = map->find(key);
  // A key without a value, as in `capacity:`, is the same as no key.
  return it == map->end() || it->second.IsNull() ? nullptr : &it->second;
}

const std::string* ConfigReader::Scalar(std::string_view key, std::string_view wanted) {
  const ConfigValue* value = Find(key);
  // An absent key is no error: its default counts.
  if (value == nullptr || value->scalar() != nullptr) {
    return value == nullptr ? nullptr : value->scalar();
  }
  Reject(key, "is {}; {} is wanted", value->TypeName(), wanted);
  return nullptr;
}

void ConfigReader::Reject(std::string_view key, std::string_view why) {
  // The first mistake is told. Those after it are often its consequences.
  if (error_) return;
  int line = value_->line();
  if (const auto* map = value_->map(); map != nullptr) {
    // The line of the key helps more than that of the map, which may be long.
    if (const auto it = map->find(key); it != map->end()) line = it->second.line();
  }
  error_.emplace(ErrorCode::kInvalidArgument, fmt::format("{} {}", Place(path_, key, line), why));
}

std::string ConfigReader::Text(std::string_view key, std::string_view fallback) {
  const auto* text = Scalar(key, "a text");
  return text == nullptr ? std::string(fallback) : *text;
}

std::int64_t ConfigReader::Whole(std::string_view key, std::int64_t fallback, std::int64_t min,
                                 std::int64_t max) {
  return Parsed(*this, key, Scalar(key, "a whole number"), fallback,
                fmt::format("a whole number from {} to {}", min, max),
                [&](std::string_view text) { return ParseBetween(text, min, max); });
}

double ConfigReader::Number(std::string_view key, double fallback, double min, double max) {
  return Parsed(*this, key, Scalar(key, "a number"), fallback,
                fmt::format("a number from {} to {}", min, max),
                [&](std::string_view text) { return ParseBetween(text, min, max); });
}

bool ConfigReader::Boolean(std::string_view key, bool fallback) {
  const auto* text = Scalar(key, "true or false");
  if (text == nullptr) return fallback;
  // YAML has known all of these at one time, and so do the people who write it.
  if (*text == "true" || *text == "yes" || *text == "on") return true;
  if (*text == "false" || *text == "no" || *text == "off") return false;
  Reject(key, "is '{}'; true or false is wanted", *text);
  return fallback;
}

std::uint64_t ConfigReader::Size(std::string_view key, std::uint64_t fallback) {
  return Parsed(*this, key, Scalar(key, "a size such as 512MiB"), fallback,
                "a size such as 512MiB or 4GB", ParseSize);
}

Duration ConfigReader::Time(std::string_view key, Duration fallback) {
  return Parsed(*this, key, Scalar(key, "a time such as 250ms"), fallback,
                "a time such as 250ms, 5s or 2min", ParseTime);
}

const ConfigValue& ConfigReader::Child(std::string_view key) {
  const ConfigValue* value = Find(key);
  return value == nullptr ? EmptyMap() : *value;
}

std::map<std::string, double> ConfigReader::NumberMap(std::string_view key) {
  std::map<std::string, double> numbers;
  for (const auto& [name, text] : TextMap(key)) {
    constexpr double kMax = std::numeric_limits<double>::max();
    // Every number will do but infinity, which is no amount of anything.
    if (const auto value = ParseBetween<double>(text, -kMax, kMax)) {
      numbers.emplace(name, *value);
    } else {
      Reject(key, "has '{}' under '{}'; a number is wanted", text, name);
    }
  }
  return numbers;
}

std::map<std::string, std::string> ConfigReader::TextMap(std::string_view key) {
  std::map<std::string, std::string> texts;
  const ConfigValue* value = Find(key);
  if (value == nullptr) return texts;
  if (value->map() == nullptr) {
    Reject(key, "is {}; a map is wanted", value->TypeName());
    return texts;
  }
  for (const auto& [name, entry] : *value->map()) {
    // A list or a map in the place of a text is a mistake of indentation, most often.
    if (entry.scalar() != nullptr) {
      texts.emplace(name, *entry.scalar());
    } else {
      Reject(key, "has {} under '{}'; a text is wanted", entry.TypeName(), name);
    }
  }
  return texts;
}

bool ConfigReader::Has(std::string_view key) { return Find(key) != nullptr; }

Result<void> ConfigReader::Finish() const {
  if (error_) return Fail(*error_);
  if (value_->map() == nullptr) return {};
  for (const auto& [key, value] : *value_->map()) {
    // A key that no part of the program reads is a mistake in its name. Ignored, it would leave the
    // default in place, and its author in the belief that it did not.
    if (std::ranges::find(known_, key) != known_.end()) continue;
    // The message lists the right names, so that the mistake can be seen without the manual.
    auto known = known_;
    std::ranges::sort(known);
    return Fail(ErrorCode::kInvalidArgument, "unknown key '{}' in {}; known: {}", key,
                Place(path_, "", value.line()), fmt::join(known, ", "));
  }
  return {};
}

}  // namespace mobula
