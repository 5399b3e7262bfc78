/// \file
/// \brief `Table`: one kind of fact that the GCS keeps, in one shape for all of them.
///
/// A table is a plain state machine: no clock, no connection, no storage. Its own methods decide at
/// once and put what they changed into a `Step` (step.h); the server makes the step durable, then
/// tells subscribers, then answers. Through this interface it does the same for every table: loads
/// it at the start, shows it to a new subscriber, checks it. The typed record of a table meets the
/// bytes of storage and wire in one place, its codec: `protocol::Serialize` and `ReadRecord`.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "components/base/event_loop.h"
#include "components/base/ids.h"
#include "components/gcs/server/step.h"
#include "components/gcs/storage.h"
#include "components/protocol/gcs.pb.h"

namespace mobula::gcs {

//! [table-interface]
/// Threads: one. Lifetime: a member of the server.
class Table {
 public:
  /// What earlier GCSs left behind.
  struct Past {
    std::map<std::string, std::string> meta{};  ///< Single facts, such as the last number given.
    std::uint64_t generation = 0;  ///< How often a GCS has started here, this time too.
    TimePoint now{};
  };
  /// What is read of a table at the start.
  enum class Loads : std::uint8_t {
    kRecords,  ///< All of it.
    kSizes,    ///< Keys and sizes: the values are large, and read from the storage when asked for.
  };
  /// What was read: one of the two is empty.
  struct Stored {
    Storage::Entries records{};
    std::vector<KeySize> sizes{};
  };
  using Visit = std::function<void(std::string_view key, std::string record)>;
  virtual ~Table() = default;

  /// \return its name in the storage, such as "nodes".
  [[nodiscard]] virtual std::string_view Name() const = 0;
  /// \return where its changes are told; CHANNEL_UNKNOWN if nobody can subscribe to it.
  [[nodiscard]] virtual protocol::Channel channel() const = 0;
  [[nodiscard]] virtual Loads loads() const = 0;

  /// Takes what an earlier GCS stored. \pre called once, before all else. kCorrupt.
  [[nodiscard]] virtual Result<void> Load(const Stored& stored, const Past& past) = 0;
  /// Shows every record as it is told on the channel, in an order that is the same in every run.
  virtual void ForEachRecord(const Visit& visit) const = 0;
  /// Stops the process if the state contradicts itself.
  virtual void CheckInvariants() const = 0;
};
//! [table-interface]

/// \return the number that stands under `key` in decimal; 0 if none does.
[[nodiscard]] std::uint64_t NumberIn(const Table::Past& past, std::string_view key);

/// \return the record in `bytes`, as `protocol::Serialize` wrote it. kCorrupt names table and key.
template <typename Record>
[[nodiscard]] Result<Record> ReadRecord(const Table& table, std::string_view key,
                                        const std::string& bytes) {
  Record record;
  if (record.ParseFromString(bytes)) return record;
  return Fail(ErrorCode::kCorrupt, "what stands under {} in table '{}' is not a valid record",
              ToHex(key), table.Name());
}

}  // namespace mobula::gcs
