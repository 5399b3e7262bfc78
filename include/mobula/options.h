/// \file
/// \brief What `Remote<F>.With({...})` can say about a task.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>

#include "components/base/result.h"
#include "mobula/internal/runtime.h"
#include "mobula/scheduling_strategy.h"

namespace mobula {

/// How users write `OnNode`: on this node; with `soft`, elsewhere if it is gone or too small.
struct NodeAffinity {
  std::string node_id_hex;
  bool soft = false;
};
using Scheduling = std::variant<DefaultScheduling, Spread, NodeAffinity>;

/// Requirements and behaviour of one task. Amounts count to 1/10000.
struct RemoteOptions {
  double num_cpus = 1;
  double num_gpus = 0;
  double memory = 0;                             ///< Bytes; a promise, not a cage.
  std::map<std::string, double> resources = {};  ///< Custom ones, by name.
  std::int32_t max_retries = 3;                  ///< After the death of its process; -1: no end.
  bool retry_exceptions = false;                 ///< Also when the function throws.
  std::string name = {};                         ///< For people; empty: the function's name.
  Scheduling scheduling = {};
};

namespace internal {

/// \return the options in the runtime's terms. kInvalidArgument for a negative or unreal amount,
///         a resource named as a built-in one, a text that is no node id, or
///         `max_retries` below -1.
[[nodiscard]] Result<TaskOptions> ToTaskOptions(const RemoteOptions& options);
/// \return the options of a task that says nothing: one CPU.
[[nodiscard]] const TaskOptions& DefaultTaskOptions();

}  // namespace internal
}  // namespace mobula
