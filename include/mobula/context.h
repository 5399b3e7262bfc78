/// \file
/// \brief Where this code is running.
#pragma once

#include <cstdint>
#include <string>

#include "components/base/ids.h"

namespace mobula {

/// A picture of the caller's place, at the time of the call.
struct RuntimeContext {
  NodeId node_id;
  WorkerId worker_id;
  JobId job_id;
  TaskId task_id;            ///< The running task; in a driver, the driver's own.
  std::string task_name;     ///< Empty in a driver.
  std::int32_t attempt = 0;  ///< 0 the first time, counting retries.
  bool is_driver = false;
};

/// \return the context of the calling thread. Throws NotInitializedError.
[[nodiscard]] RuntimeContext GetRuntimeContext();

}  // namespace mobula
