/// \file
/// \brief A check cites the line of the header that it enforces, and the line must be there.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

namespace mobula::conformance {

/// \return whether a header says `promise` word for word, in a comment that may go over several
///         lines. \param header from the root: "components/gcs/storage.h".
[[nodiscard]] inline bool HeaderSays(const std::string& header, const std::string& promise) {
  std::ifstream stream(std::filesystem::path(MOBULA_SOURCE_FOLDER) / header);
  std::string text;  // all words, one space between them, without the marks of comments
  for (std::string word; stream >> word;) {
    if (word != "///" && word != "//") text += word + " ";
  }
  return text.find(promise) != std::string::npos;
}

}  // namespace mobula::conformance
