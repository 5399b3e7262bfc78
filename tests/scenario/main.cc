// usage: scenario_test FILE.scn [--bless]
// Plays one script and compares its events with the expected ones; --bless writes them instead.

#include <fstream>
#include <iostream>
#include <sstream>

#include "tests/scenario/script.h"

namespace {

/// Shows where two texts part, with a few lines of each.
void ShowDifference(const std::string& expected, const std::string& actual) {
  std::istringstream left(expected);
  std::istringstream right(actual);
  std::string want;
  std::string have;
  for (int line = 1;; ++line) {
    const bool is_left = static_cast<bool>(std::getline(left, want));
    const bool is_right = static_cast<bool>(std::getline(right, have));
    if (is_left && is_right && want == have) continue;
    std::cout << "event " << line << " differs\n  expected: " << (is_left ? want : "(the end)")
              << "\n  happened: " << (is_right ? have : "(the end)") << '\n';
    return;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: scenario_test FILE.scn [--bless]\n";
    return 2;
  }
  const std::string path = argv[1];
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  const mobula::scenario::Script script = mobula::scenario::ParseScript(text.str());
  const mobula::Result<std::string> events = mobula::scenario::Play(script.commands);
  if (!events) {
    std::cerr << path << ':' << events.error().message() << '\n';
    return 2;
  }
  if (argc > 2 && std::string(argv[2]) == "--bless") {
    std::ofstream(path) << script.head << "---\n" << *events;
    return 0;
  }
  if (*events == script.expected) return 0;
  std::cout << path << ": the cluster did something else than the script says\n";
  ShowDifference(script.expected, *events);
  std::cout << "all that happened:\n"
            << *events
            << "If this is right: scripts/test scenario --bless, and read the difference.\n";
  return 1;
}
