/// \file
/// \edge
/// \brief What a node's `object_store:` section describes.
#pragma once

#include <memory>

#include "components/base/config_value.h"
#include "components/object_store/create_queue.h"
#include "components/object_store/object_store.h"
#include "components/object_store/transfer/pull_manager.h"

namespace mobula::object_store {

/// A store, and the bounds of those who wait for it.
struct StoreParts {
  std::unique_ptr<ObjectStore> store;
  CreateQueueOptions creates;
  PullOptions pulls;
};

/// Makes a store of the kind that `config` names. kInvalidArgument names the wrong key.
[[nodiscard]] Result<StoreParts> MakeStore(const ConfigValue& config);

}  // namespace mobula::object_store
