/// \file
/// \brief Keys that policies share.
#pragma once

#include <cstddef>
#include <string_view>

#include "components/base/config_value.h"

namespace mobula::scheduler {

/// Reads the map of the policy `kind`, whose `kind:` it has seen already.
class PolicyConfig : public ConfigReader {
 public:
  PolicyConfig(const ConfigValue& config, std::string_view kind)
      : ConfigReader(config, "scheduler.policy") {
    static_cast<void>(Text("kind", kind));
  }
  /// \return `sample_nodes`: at most how many nodes one decision weighs; 0: all of them.
  [[nodiscard]] std::size_t SampleNodes() {
    return Integer("sample_nodes", std::size_t{32}, 0, 1'000'000);
  }
};

}  // namespace mobula::scheduler
