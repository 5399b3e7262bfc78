#include "components/gcs/registration.h"

#include "components/gcs/faulty/storage.h"
#include "components/gcs/memory/storage.h"

namespace mobula::gcs {

Kinds<Storage> BuiltInStorages() {
  return Kinds<Storage>("gcs storage", {
                                           kFaulty,
                                           kMemory,
                                       });
}

}  // namespace mobula::gcs
