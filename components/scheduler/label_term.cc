#include "components/scheduler/label_term.h"

#include <fmt/ranges.h>

#include <algorithm>

namespace mobula::scheduler {
namespace {

std::string_view Trim(std::string_view text) {
  const auto first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

}  // namespace

Result<LabelTerm> LabelTerm::Parse(std::string_view key, std::string_view text) {
  const auto wrong = [&] {
    return Fail(ErrorCode::kInvalidArgument,
                "label '{}' wants '{}'; write a, !a, in(a, b) or !in(a, b)", key, text);
  };
  LabelTerm term;
  term.key = Trim(key);
  std::string_view rest = Trim(text);
  if (rest.starts_with('!')) {
    term.rule = Rule::kNotIn;
    rest = Trim(rest.substr(1));
  }
  if (rest.starts_with("in(")) {
    if (!rest.ends_with(')')) return wrong();
    rest = rest.substr(3, rest.size() - 4);
    for (auto comma = rest.find(','); comma != std::string_view::npos; comma = rest.find(',')) {
      term.values.emplace_back(Trim(rest.substr(0, comma)));
      rest.remove_prefix(comma + 1);
    }
  }
  term.values.emplace_back(Trim(rest));
  if (term.key.empty() || std::ranges::count(term.values, "") > 0) return wrong();
  return term;
}

bool LabelTerm::Accepts(const Labels& labels) const {
  const auto it = labels.find(key);
  const bool listed = it != labels.end() && std::ranges::count(values, it->second) > 0;
  return listed == (rule == Rule::kIn);
}

std::string LabelTerm::ToString() const {
  return fmt::format("{} {}in({})", key, rule == Rule::kIn ? "" : "!", fmt::join(values, ", "));
}

}  // namespace mobula::scheduler
