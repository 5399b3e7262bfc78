/// \file
/// \brief A scenario script: commands to a simulated cluster, and the events that they cause.
///
///     # Comments tell the story; they and the commands are written by people.
///     cluster nodes=2 cpus=1
///     driver d0
///     submit d0 a time=1s
///     run 2s
///     ---
///     > cluster nodes=2 cpus=1        what follows is the event log, written by --bless
///     n0  node    joined …
///
/// How to read one: book/14-how-we-know.md.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "components/base/result.h"

namespace mobula::scenario {

/// One command: its name, words without `=`, and words with it.
struct Command {
  int line = 0;
  std::string text;
  std::string name;
  std::vector<std::string> words;
  std::map<std::string, std::string> settings;
};

struct Script {
  std::string head;  ///< Everything above the line `---`, as it stands.
  std::vector<Command> commands;
  std::string expected;  ///< Everything below it.
};

[[nodiscard]] Script ParseScript(const std::string& text);

/// Runs all commands. \return the events, or what is wrong with a command and in which line.
[[nodiscard]] Result<std::string> Play(const std::vector<Command>& commands);

}  // namespace mobula::scenario
