/// \file
/// \edge
/// \brief One condition on a node's labels, in Ray's notation: `zone: in(a, b)`.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "components/base/result.h"

namespace mobula::scheduler {

/// What a node says of itself: "zone" → "a". Ordered, so that texts are the same on every run.
using Labels = std::map<std::string, std::string>;

/// "The label `key` is, or is not, one of `values`." An absent label is none of any values.
struct LabelTerm {
  enum class Rule : std::uint8_t { kIn, kNotIn };

  std::string key;
  Rule rule = Rule::kIn;
  std::vector<std::string> values;

  /// Reads `a`, `!a`, `in(a, b)` or `!in(a, b)`.
  /// \return the term. kInvalidArgument on an empty key or value, or a parenthesis left open.
  [[nodiscard]] static Result<LabelTerm> Parse(std::string_view key, std::string_view text);

  [[nodiscard]] bool Accepts(const Labels& labels) const;
  /// \return "zone in(a, b)"; what `Parse` reads, after the key.
  [[nodiscard]] std::string ToString() const;

  friend auto operator<=>(const LabelTerm&, const LabelTerm&) = default;
};

}  // namespace mobula::scheduler
