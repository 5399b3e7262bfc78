/// \file
/// \brief What one call to a table changed: what must be stored, and what subscribers then hear.
///
/// The tables are plain state machines: they decide at once and do nothing. The server makes the
/// step durable first and only then answers and publishes, so nobody ever acts on a fact that a
/// restarted GCS would not know.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "components/gcs/storage.h"
#include "components/protocol/gcs.pb.h"

namespace mobula::gcs {

inline constexpr char kMetaTable[] = "meta";
inline constexpr char kNodeTable[] = "nodes";
inline constexpr char kJobTable[] = "jobs";
inline constexpr char kDeathTable[] = "worker_deaths";
inline constexpr char kKeyValueTable[] = "key_value";

/// A value; filled by the tables, spent by the server.
struct Step {
  std::vector<Change> changes;
  protocol::Delta delta;  ///< `sequence` unused.

  void Store(const char* table, std::string_view key, std::string value) {
    changes.push_back({table, std::string(key), std::move(value)});
  }
  void Erase(const char* table, std::string_view key) {
    changes.push_back({table, std::string(key), std::nullopt});
  }
};

/// Names one connection to the GCS; 0: none.
using SessionId = std::uint64_t;

}  // namespace mobula::gcs
