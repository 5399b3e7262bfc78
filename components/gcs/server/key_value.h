/// \file
/// \edge
/// \brief The key-value spaces: names here, values in the storage. A plain state machine.
///
/// Values (programs, packages) may be large and are read seldom, so the server keeps only the keys
/// and sizes in memory: enough to decide `keep_existing`, to answer `Keys` at once, and to bound
/// the sum.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "components/gcs/server/table.h"
#include "components/protocol/gcs.pb.h"

namespace mobula::gcs {

/// Threads: one.
class KeyValue final : public Table {
 public:
  KeyValue(std::size_t value_bytes_max, std::uint64_t values_bytes_max)
      : value_bytes_max_(value_bytes_max), values_bytes_max_(values_bytes_max) {}

  [[nodiscard]] std::string_view Name() const override { return kTableName; }
  [[nodiscard]] protocol::Channel channel() const override { return protocol::CHANNEL_UNKNOWN; }
  [[nodiscard]] Loads loads() const override { return Loads::kSizes; }
  [[nodiscard]] Result<void> Load(const Stored& stored, const Past& past) override;
  void ForEachRecord(const Visit&) const override {}  // it has no channel
  void CheckInvariants() const override;
  static constexpr std::string_view kTableName = "key_value";

  /// \return false if the key is there and `keep_existing` was asked; the caller compares values.
  ///         kInvalidArgument for a space or key that cannot be, kResourceExhausted for a value
  ///         above `value_bytes_max`, or with which all are above `values_bytes_max`.
  [[nodiscard]] Result<bool> Put(const protocol::PutValueRequest& request, Step& step);
  /// \return how many keys went.
  [[nodiscard]] std::uint64_t Delete(const protocol::DeleteValuesRequest& request, Step& step);
  [[nodiscard]] std::vector<std::string> Keys(std::string_view space,
                                              std::string_view prefix) const;
  /// \return the key under which a value stands in the storage.
  [[nodiscard]] static std::string StorageKey(std::string_view space, std::string_view key);

 private:
  std::size_t value_bytes_max_;
  std::uint64_t values_bytes_max_;
  std::uint64_t values_bytes_ = 0;
  std::map<std::string, std::uint64_t, std::less<>> sizes_;  // by key, as in the storage
};

}  // namespace mobula::gcs
