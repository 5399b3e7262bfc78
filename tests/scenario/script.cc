#include "tests/scenario/script.h"

#include <sstream>

namespace mobula::scenario {

Script ParseScript(const std::string& text) {
  Script script;
  std::istringstream lines(text);
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (line == "---") {
      script.expected.assign(std::istreambuf_iterator<char>(lines), {});
      break;
    }
    script.head += line + '\n';
    Command command;
    command.line = number;
    std::istringstream words(line.substr(0, line.find('#')));
    for (std::string word; words >> word;) {
      command.text += (command.text.empty() ? "" : " ") + word;
      const std::size_t equals = word.find('=');
      if (command.name.empty()) {
        command.name = word;
      } else if (equals == std::string::npos) {
        command.words.push_back(word);
      } else {
        command.settings[word.substr(0, equals)] = word.substr(equals + 1);
      }
    }
    if (!command.name.empty()) script.commands.push_back(std::move(command));
  }
  return script;
}

}  // namespace mobula::scenario
