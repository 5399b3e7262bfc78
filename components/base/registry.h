/// \file
/// \brief `Registry`: which implementations exist under which `kind:` in YAML.
///
/// A plain object, filled by a component's `registration.cc`, built in `node/wiring.cc` and handed
/// down. No static registration: reading one file shows everything that can be chosen.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "components/base/result.h"

namespace mobula {

/// Names and makers of one interface. `Maker` is a `std::function` that builds it.
template <typename Maker>
class Registry {
 public:
  /// \param interface_name for messages: "scheduling policy".
  explicit Registry(std::string interface_name) : interface_name_(std::move(interface_name)) {}

  /// Adds a kind; a second one of the same name replaces the first, so a lab can override.
  void Add(std::string kind, Maker maker) {
    makers_.insert_or_assign(std::move(kind), std::move(maker));
  }

  /// \return the maker of `kind`. kInvalidArgument with the list of known kinds otherwise.
  [[nodiscard]] Result<const Maker*> Find(std::string_view kind) const {
    if (const auto it = makers_.find(kind); it != makers_.end()) return &it->second;
    return Fail(ErrorCode::kInvalidArgument, "unknown {} '{}'; known: {}", interface_name_, kind,
                Kinds());
  }

  /// \return the known kinds, sorted, "a, b, c".
  [[nodiscard]] std::string Kinds() const {
    std::string text;
    for (const auto& [kind, maker] : makers_) text += (text.empty() ? "" : ", ") + kind;
    return text;
  }

 private:
  std::string interface_name_;
  std::map<std::string, Maker, std::less<>> makers_;
};

}  // namespace mobula
