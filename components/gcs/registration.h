/// \file
/// \edge
/// \brief The storage kinds that YAML may name under `gcs: storage:`.
#pragma once

#include "components/base/kinds.h"
#include "components/gcs/storage.h"

namespace mobula::gcs {

/// \return the built-in kinds. Without a `kind` it is `kUsualStorage`.
[[nodiscard]] Kinds<Storage> BuiltInStorages();

}  // namespace mobula::gcs
