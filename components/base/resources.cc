// \edge: a helper whose header says all that a caller needs
#include "components/base/resources.h"

#include <algorithm>
#include <cmath>

namespace mobula {

Amount Amount::FromDouble(double value) {
  constexpr double kMax = 9e14;
  return Amount(std::llround(std::clamp(value, -kMax, kMax) * kUnitsPerOne));
}

std::string Amount::ToString() const {
  if (units_ % kUnitsPerOne == 0) return fmt::format("{}", units_ / kUnitsPerOne);
  std::string text = fmt::format("{:.4f}", ToDouble());
  text.erase(text.find_last_not_of('0') + 1);
  return text;
}

ResourceSet::ResourceSet(std::initializer_list<std::pair<const std::string, double>> amounts) {
  for (const auto& [name, value] : amounts) Set(name, Amount::FromDouble(value));
}

Amount ResourceSet::Get(std::string_view name) const {
  const auto it = entries_.find(name);
  return it == entries_.end() ? Amount() : it->second;
}

void ResourceSet::Set(std::string_view name, Amount amount) {
  if (amount == Amount()) {
    if (const auto it = entries_.find(name); it != entries_.end()) entries_.erase(it);
    return;
  }
  entries_.insert_or_assign(std::string(name), amount);
}

bool ResourceSet::Covers(const ResourceSet& request) const {
  return FirstShortage(request).empty();
}

std::string ResourceSet::FirstShortage(const ResourceSet& request) const {
  for (const auto& [name, wanted] : request.entries_) {
    if (Get(name) < wanted) return name;
  }
  return {};
}

void ResourceSet::Add(const ResourceSet& other) {
  for (const auto& [name, amount] : other.entries_) Set(name, Get(name) + amount);
}

void ResourceSet::Subtract(const ResourceSet& other) {
  for (const auto& [name, amount] : other.entries_) Set(name, Get(name) - amount);
}

std::string ResourceSet::ToString() const {
  std::string text = "{";
  for (const auto& [name, amount] : entries_) {
    if (text.size() > 1) text += ", ";
    text += fmt::format("{}: {}", name, amount.ToString());
  }
  return text + "}";
}

}  // namespace mobula
