/// \file
/// \brief Where the GCS keeps what must survive it. No domain word in here.
///
/// Tables of keys and values with atomic batches. The acknowledgement means *durable* as far as the
/// kind can promise: `memory` survives nothing but keeps the contract otherwise. Callbacks, because
/// durable kinds write on a thread of their own and batch commits.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "components/base/result.h"

namespace mobula::gcs {

/// One change of one key. `value` nullopt deletes.
struct Change {
  std::string table;
  std::string key;
  std::optional<std::string> value;
};

//! [storage-interface]
/// Threads: the state lock; callbacks run on the loop, never inside the call, in order of the
/// calls.
/// Lifetime: pending callbacks are dropped on destruction.
class Storage {
 public:
  using Entries = std::vector<std::pair<std::string, std::string>>;
  virtual ~Storage() = default;

  /// Applies all changes or none. kInternal on an I/O error: the storage refuses everything from
  /// then on, and the process must stop.
  virtual void Write(std::vector<Change> changes, Done<void> done) = 0;
  /// Calls back with the value, nullopt if the key is absent.
  virtual void Read(std::string_view table, std::string_view key,
                    Done<std::optional<std::string>> done) = 0;
  /// All entries whose key begins with `prefix`, by key; sees every write called before.
  virtual void Scan(std::string_view table, std::string_view prefix, Done<Entries> done) = 0;
  [[nodiscard]] virtual std::string_view Name() const = 0;
};
//! [storage-interface]

}  // namespace mobula::gcs
