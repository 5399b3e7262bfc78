/// \file
/// \edge
/// \brief The key that most policies share: how many nodes one decision weighs.
#pragma once

#include <cstddef>

#include "components/base/config_value.h"

namespace mobula::scheduler {

/// \return `sample_nodes`, 32 if absent: how many nodes one decision weighs at most; 0: all.
[[nodiscard]] inline std::size_t ReadSampleNodes(ConfigReader& config) {
  return config.Integer("sample_nodes", std::size_t{32}, 0, 1'000'000);
}

}  // namespace mobula::scheduler
