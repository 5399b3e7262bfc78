/// \file
/// \brief Waiting for another thread, with words for the case that it never comes.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <future>
#include <string_view>

namespace mobula {

/// Waits for a promise that another thread keeps. If that takes a minute, the test ends with `what`
/// was waited for: CTest's own timeout would only say that time went by.
template <typename T>
T Within(std::future<T> future, std::string_view what) {
  if (future.wait_for(std::chrono::minutes(1)) != std::future_status::ready) {
    ADD_FAILURE() << "waited a minute for " << what;
    std::abort();  // the thread that should have kept the promise cannot be joined either
  }
  return future.get();
}

}  // namespace mobula
