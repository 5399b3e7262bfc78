/// \file
/// \brief Where the GCS keeps what must survive it. No domain word in here.
///
/// Tables of keys and values with atomic batches. The acknowledgement means *durable* as far as the
/// kind can promise: `memory` survives nothing but keeps the contract otherwise. Callbacks, because
/// durable kinds write on a thread of their own and batch commits.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "components/base/background_thread.h"
#include "components/base/event_loop.h"
#include "components/base/file_system.h"
#include "components/base/kinds.h"
#include "components/base/random.h"
#include "components/base/result.h"

namespace mobula::gcs {

/// One change of one key. `value` nullopt deletes.
struct Change {
  std::string table;
  std::string key;
  std::optional<std::string> value;
};

/// One key, and how large its value is.
struct KeySize {
  std::string key;
  std::uint64_t bytes = 0;
  friend bool operator==(const KeySize&, const KeySize&) = default;
};

/// The kind of a configuration that names none.
inline constexpr std::string_view kUsualStorage = "memory";

//! [storage-interface]
/// Threads: the state lock; callbacks run on the loop, never inside the call, in order of the
/// calls.
/// Lifetime: pending callbacks are dropped on destruction.
class Storage {
 public:
  using Entries = std::vector<std::pair<std::string, std::string>>;
  /// What makers are given beside their keys. References outlive the storage, but for `kinds`.
  struct Context {
    EventLoop& loop;
    Random random;
    FileSystem& files;
    std::string folder;           ///< The node's own, and gone with it: a kind whose data shall
                                  ///< outlive the node reads a path from its keys.
    BackgroundThread& writer;     ///< For kinds whose writes block.
    const Kinds<Storage>& kinds;  ///< For decorators, which make an inner one.
  };
  virtual ~Storage() = default;

  /// Applies all changes or none. kInternal on an I/O error: the storage refuses everything from
  /// then on, and the process must stop.
  virtual void Write(std::vector<Change> changes, Done<void> done) = 0;
  /// Calls back with the value, nullopt if the key is absent.
  virtual void Read(std::string_view table, std::string_view key,
                    Done<std::optional<std::string>> done) = 0;
  /// All entries whose key begins with `prefix`, by key; sees every write called before.
  virtual void Scan(std::string_view table, std::string_view prefix, Done<Entries> done) = 0;
  /// As `Scan`, with sizes instead of values, which are not read for it.
  virtual void ListKeys(std::string_view table, std::string_view prefix,
                        Done<std::vector<KeySize>> done) = 0;
  [[nodiscard]] virtual std::string_view Name() const = 0;
};
//! [storage-interface]

}  // namespace mobula::gcs
