#include "tests/conformance/object_store/cited.h"

#include <filesystem>
#include <fstream>
#include <sstream>

namespace mobula::object_store::conformance {

bool HeaderSays(const std::string& header, const std::string& promise) {
  const std::filesystem::path path =
      std::filesystem::path(MOBULA_SOURCE_FOLDER) / "components/object_store" / header;
  std::ifstream stream(path);
  std::string text;  // all words, one space between them, without the marks of comments
  for (std::string word; stream >> word;) {
    if (word != "///" && word != "//") text += word + " ";
  }
  return text.find(promise) != std::string::npos;
}

}  // namespace mobula::object_store::conformance
