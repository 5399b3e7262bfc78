/// \file
/// \brief Stores on the real loop, driven by the test's own thread.
#pragma once

#include <stdlib.h>

#include <filesystem>

#include "components/base/real/event_loop.h"
#include "tests/components/object_store/store_node.h"

namespace mobula::object_store {

/// Runs what is ready until `condition` holds. \return false when it never did: the test hangs no
/// longer than CTest allows anyway, so the bound is generous.
inline bool PollUntil(RealEventLoop& loop, const std::function<bool()>& condition) {
  const TimePoint end = loop.Now() + std::chrono::seconds(60);
  while (loop.Now() < end) {
    bool holds = false;
    loop.Enter([&] { holds = condition(); });
    if (holds) return true;
    loop.PollOnce();
  }
  return false;
}

/// A folder that goes with the test.
class TestFolder {
 public:
  TestFolder() {
    std::string name = testing::TempDir() + "mobula_store_XXXXXX";
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    path_ = name;
  }
  ~TestFolder() { std::filesystem::remove_all(path_); }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace mobula::object_store
