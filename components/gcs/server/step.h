/// \file
/// \brief What one call to a table changed: what must be stored, and what subscribers then hear.
///
/// The tables are plain state machines: they decide at once and do nothing. The server makes the
/// step durable first and only then answers and publishes, so nobody ever acts on a fact that a
/// restarted GCS would not know.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "components/gcs/storage.h"
#include "components/protocol/gcs.pb.h"

namespace mobula::gcs {

/// Where single facts are kept, such as the last number given.
inline constexpr std::string_view kMetaTable = "meta";

/// A value; filled by the tables, spent by the server.
struct Step {
  std::vector<Change> changes;
  std::vector<protocol::Record> records;

  void Store(std::string_view table, std::string_view key, std::string value) {
    changes.push_back({std::string(table), std::string(key), std::move(value)});
  }
  void Erase(std::string_view table, std::string_view key) {
    changes.push_back({std::string(table), std::string(key), std::nullopt});
  }
  /// Publishes the newest bytes of a record. The end of a thing is a state of its record, told once
  /// like any other; forgetting it later is not told.
  void Tell(protocol::Channel channel, std::string_view key, std::string bytes) {
    protocol::Record& record = records.emplace_back();
    record.set_channel(channel);
    record.set_key(std::string(key));
    record.set_value(std::move(bytes));
  }
};

/// Names one connection to the GCS; 0: none.
using SessionId = std::uint64_t;

}  // namespace mobula::gcs
