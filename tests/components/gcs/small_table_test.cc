// A table that is new to the GCS, to show what one costs: the README quotes it. It is loaded, shown
// and published by the server's own code, which knows nothing of it.

#include <gtest/gtest.h>

#include "components/base/simulated/event_loop.h"
#include "components/base/task_group.h"
#include "components/gcs/memory/storage.h"
#include "components/gcs/server/pubsub.h"
#include "components/gcs/server/tables.h"
#include "components/protocol/gcs_convert.h"

namespace mobula::gcs {
namespace {

constexpr auto kNames = static_cast<protocol::Channel>(99);  // a line of gcs.proto

//! [small-table]
/// Which driver has which name. A name is given once.
class NameTable final : public Table {
 public:
  [[nodiscard]] std::string_view Name() const override { return "names"; }
  [[nodiscard]] protocol::Channel channel() const override { return kNames; }
  [[nodiscard]] Loads loads() const override { return Loads::kRecords; }

  [[nodiscard]] Result<void> Load(const Stored& stored, const Past&) override {
    for (const auto& [name, bytes] : stored.records) {
      auto owner = ReadRecord<protocol::JobInfo>(*this, name, bytes);
      if (!owner) return Fail(std::move(owner.error()));
      owners_.emplace(name, std::move(*owner));
    }
    return {};
  }
  void ForEachRecord(const Visit& visit) const override {
    for (const auto& [name, owner] : owners_) visit(name, protocol::Serialize(owner));
  }
  void CheckInvariants() const override {}

  [[nodiscard]] Result<void> Claim(const std::string& name, const protocol::JobInfo& owner,
                                   Step& step) {
    const auto [it, is_new] = owners_.emplace(name, owner);
    if (!is_new) return Fail(ErrorCode::kAlreadyExists, "the name {} is taken", name);
    step.Store(Name(), name, protocol::Serialize(owner));
    step.Tell(channel(), name, protocol::Serialize(owner));
    return {};
  }

 private:
  std::map<std::string, protocol::JobInfo> owners_;
};
//! [small-table]

protocol::JobInfo Owner(const std::string& entrypoint) {
  protocol::JobInfo owner;
  owner.set_entrypoint(entrypoint);
  return owner;
}

/// \return the topics that a subscriber asked for by channel and keys.
Topics Asked(const Tables& tables, const std::vector<std::string>& keys) {
  protocol::SubscribeRequest request;
  protocol::Topic& topic = *request.add_topics();
  topic.set_channel(kNames);
  topic.mutable_keys()->Assign(keys.begin(), keys.end());
  return *tables.ReadTopics(request);
}

TEST(SmallTableTest, IsStoredPublishedAndLoadedByWhatEveryTableShares) {
  SimulatedEventLoop loop(1);
  MemoryStorage storage(loop);
  {
    NameTable names;
    const Tables tables({&names}, 10);
    PubSub pubsub(10);
    pubsub.Add(1, Asked(tables, {"pi"}));
    for (const char* name : {"pi", "sort"}) {
      Step step;
      ASSERT_TRUE(names.Claim(name, Owner("./run"), step));
      storage.Write(std::move(step.changes), [](const Result<void>&) {});
      EXPECT_TRUE(pubsub.Publish(step.records).empty());
    }
    Step step;
    EXPECT_EQ(names.Claim("pi", Owner("./other"), step).error().code(), ErrorCode::kAlreadyExists);
    EXPECT_TRUE(step.changes.empty());
    const auto delta = pubsub.Take(1);
    ASSERT_EQ(delta->records_size(), 1);
    EXPECT_EQ(delta->records(0).key(), "pi");
  }
  NameTable names;  // of the next GCS
  const Tables tables({&names}, 10);
  TaskGroup tasks;
  bool is_loaded = false;
  tasks.Spawn<void>(tables.Load(storage, {}),
                    [&is_loaded](const Result<void>& loaded) { is_loaded = loaded.has_value(); });
  loop.RunUntilIdle(100);
  ASSERT_TRUE(is_loaded);
  std::string shown;
  for (const protocol::Record& record : tables.Snapshot(Asked(tables, {}))) {
    protocol::JobInfo owner;
    ASSERT_TRUE(owner.ParseFromString(record.value()));
    shown += record.key() + "=" + owner.entrypoint() + " ";
  }
  EXPECT_EQ(shown, "pi=./run sort=./run ");
}

}  // namespace
}  // namespace mobula::gcs
