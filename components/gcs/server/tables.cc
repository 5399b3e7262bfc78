#include "components/gcs/server/tables.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace mobula::gcs {

std::uint64_t NumberIn(const Table::Past& past, std::string_view key) {
  std::uint64_t number = 0;
  if (const auto it = past.meta.find(std::string(key)); it != past.meta.end()) {
    std::from_chars(it->second.data(), it->second.data() + it->second.size(), number);
  }
  return number;
}

void Topics::Add(protocol::Channel channel, const std::set<std::string, std::less<>>& keys) {
  const auto [it, is_new] = wanted_.try_emplace(channel, keys);
  if (is_new) return;
  // No keys means all records, so the wider of two wishes for one channel wins.
  if (keys.empty() || it->second.empty()) {
    it->second.clear();
  } else {
    it->second.insert(keys.begin(), keys.end());
  }
}

bool Topics::Contains(protocol::Channel channel, std::string_view key) const {
  const auto it = wanted_.find(channel);
  return it != wanted_.end() && (it->second.empty() || it->second.contains(key));
}

// Tables are read one after the other and in the order of the list, so that a start does the same
// to a storage in every run.
Task<void> Tables::Load(Storage& storage, const Table::Past& past) const {
  for (Table* const table : tables_) {
    Table::Stored stored;
    // Most tables are small and live in memory. One whose values are large asks for their sizes
    // only and reads a value when it is wanted.
    if (table->loads() == Table::Loads::kRecords) {
      auto records = co_await AwaitCallback<Storage::Entries>(
          [&](auto done) { storage.Scan(table->Name(), "", std::move(done)); });
      if (!records) co_return Fail(std::move(records.error()));
      stored.records = std::move(*records);
    } else {
      auto sizes = co_await AwaitCallback<std::vector<KeySize>>(
          [&](auto done) { storage.ListKeys(table->Name(), "", std::move(done)); });
      if (!sizes) co_return Fail(std::move(sizes.error()));
      stored.sizes = std::move(*sizes);
    }
    // A table that finds its records damaged ends the start: a GCS with half of its facts would
    // declare nodes unknown that are alive.
    Result<void> loaded = table->Load(stored, past);
    if (!loaded) co_return Fail(std::move(loaded.error()));
  }
  co_return Result<void>();
}

Result<Topics> Tables::ReadTopics(const protocol::SubscribeRequest& request) const {
  Topics topics;
  std::size_t keys = 0;
  for (const protocol::Topic& topic : request.topics()) {
    const auto has_it = [&](const Table* table) { return table->channel() == topic.channel(); };
    // Silence would look like a channel on which nothing happens.
    if (topic.channel() == protocol::CHANNEL_UNKNOWN || std::ranges::none_of(tables_, has_it)) {
      return Fail(ErrorCode::kInvalidArgument, "this GCS has no channel {}",
                  static_cast<int>(topic.channel()));
    }
    // Keys are kept for as long as the subscriber is there, so their number is bounded.
    keys += static_cast<std::size_t>(topic.keys_size());
    if (keys > keys_max_) {
      return Fail(ErrorCode::kResourceExhausted,
                  "a subscription names more than {} keys; name fewer, or the whole channel",
                  keys_max_);
    }
    topics.Add(topic.channel(), {topic.keys().begin(), topic.keys().end()});
  }
  return topics;
}

std::vector<protocol::Record> Tables::Snapshot(const Topics& topics) const {
  std::vector<protocol::Record> records;
  for (const Table* const table : tables_) {
    if (!topics.HasChannel(table->channel())) continue;
    table->ForEachRecord([&](std::string_view key, std::string bytes) {
      // Each record is filtered like a later change: a subscriber never sees a key it did not ask
      // for.
      if (!topics.Contains(table->channel(), key)) return;
      protocol::Record& record = records.emplace_back();
      record.set_channel(table->channel());
      record.set_key(std::string(key));
      record.set_value(std::move(bytes));
    });
  }
  return records;
}

void Tables::CheckInvariants() const {
  for (const Table* const table : tables_) table->CheckInvariants();
}

}  // namespace mobula::gcs
