/// \file
/// \brief What the server does with all tables alike: load them, and show them to subscribers.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "components/base/task.h"
#include "components/gcs/server/table.h"

namespace mobula::gcs {

/// Which records a subscriber wants: those of each channel named here, all of them if the set of
/// keys is empty.
class Topics {
 public:
  /// A channel asked for as a whole stays whole, whatever keys are added to it.
  void Add(protocol::Channel channel, const std::set<std::string, std::less<>>& keys);
  [[nodiscard]] bool Contains(protocol::Channel channel, std::string_view key) const;
  [[nodiscard]] bool HasChannel(protocol::Channel channel) const {
    return wanted_.contains(channel);
  }

 private:
  std::map<protocol::Channel, std::set<std::string, std::less<>>> wanted_;
};

/// The list of tables. Threads: one. Lifetime: the tables outlive it.
class Tables {
 public:
  /// \param keys_max keys that one subscription may name.
  Tables(std::vector<Table*> tables, std::size_t keys_max)
      : tables_(std::move(tables)), keys_max_(keys_max) {}

  /// Fills every table from `storage`, which outlives the task. The storage's errors; kCorrupt.
  [[nodiscard]] Task<void> Load(Storage& storage, const Table::Past& past) const;
  /// \return what `request` asks for. kInvalidArgument: a channel that no table has.
  ///         kResourceExhausted: more keys than allowed.
  [[nodiscard]] Result<Topics> ReadTopics(const protocol::SubscribeRequest& request) const;
  /// \return the records of all tables that belong to `topics`, as they are now.
  [[nodiscard]] std::vector<protocol::Record> Snapshot(const Topics& topics) const;
  void CheckInvariants() const;

 private:
  std::vector<Table*> tables_;
  std::size_t keys_max_;
};

}  // namespace mobula::gcs
