// What every `StoreClient` promises, on both kinds: each test cites the line of store_client.h.

#include <thread>

#include "tests/components/object_store/attached_client.h"
#include "tests/conformance/cited.h"

namespace mobula::object_store::conformance {
namespace {

constexpr std::uint64_t kCapacity = 1 << 20;

/// A kind of client, and the kind of store that makes `AttachStore` choose it.
struct TestedClient {
  std::string name;
  std::string store;
};

StoreNode::Options OptionsFor(const std::string& store) {
  StoreNode::Options options;
  options.store = MakeStore(store, kCapacity);
  options.creates.create_wait_max = std::chrono::milliseconds(1);
  return options;
}

class StoreClientConformanceTest : public testing::TestWithParam<TestedClient>,
                                   protected AttachedClient {
 protected:
  StoreClientConformanceTest() : AttachedClient(OptionsFor(GetParam().store)) {}

  static void Cite(const std::string& promise) {
    EXPECT_TRUE(mobula::conformance::HeaderSays("components/object_store/store_client.h", promise))
        << "store_client.h does not say: " << promise;
  }
  /// Deletes the object, and writes others wherever its bytes may have been.
  void DeleteAndOverwrite(int n) {
    loop_.Enter([&] {
      node_->store->Delete(TestId(n));
      for (int other = 1000; node_->store->Usage().used_bytes + 8192 <= kCapacity; ++other) {
        node_->Put(other, 8192);
      }
    });
  }
};

INSTANTIATE_TEST_SUITE_P(All, StoreClientConformanceTest,
                         testing::Values(TestedClient{"mapped", "shared_memory"},
                                         TestedClient{"message", "heap"}),
                         [](const auto& info) { return info.param.name; });

TEST_P(StoreClientConformanceTest, IsTheKindThatTheStoreHasChosen) {
  Cite("Which one is the store's choice, told at registration.");
  EXPECT_EQ(client_->Name(), GetParam().name);
}

TEST_P(StoreClientConformanceTest, WhatIsSealedIsVisibleWithItsBytes) {
  Cite("Makes a created object visible as a primary copy.");
  for (const std::uint64_t size : {0, 1, 100, 100'000}) {
    const int n = static_cast<int>(size);
    Told<WritablePayload> created;
    ASSERT_EQ(Create(n, size, &created), "ok") << created.Message();
    ASSERT_EQ((*created.value)->bytes.size(), size);
    FillTestBytes(n, (*created.value)->bytes);
    EXPECT_FALSE(node_->Holds(n)) << "seen before it was sealed";
    ASSERT_EQ(Seal(n), "ok");
    const auto read = Get(n);
    ASSERT_TRUE(read) << read.error().ToString();
    EXPECT_EQ(read->size(), size);
    EXPECT_TRUE(HasTestBytes(n, read->bytes()));
    EXPECT_TRUE(node_->Holds(n));
  }
  EXPECT_EQ(node_->store->Usage().evictable_bytes, 0U) << "primary copies stay";
}

TEST_P(StoreClientConformanceTest, AnIdIsCreatedOnce) {
  Cite("kAlreadyExists;");
  ASSERT_EQ(Put(1, 100), "ok");
  Told<WritablePayload> again;
  EXPECT_EQ(Create(1, 100, &again), "already_exists");
}

TEST_P(StoreClientConformanceTest, AFullStoreIsToldWithItsNumbers) {
  Cite("Waits for room up to the store's `create_wait_max`. kStoreFull with the numbers;");
  Told<WritablePayload> never;
  EXPECT_EQ(Create(1, kCapacity + 1, &never), "store_full");
  EXPECT_NE(never.Message().find("1 MiB"), std::string::npos) << never.Message();
  ASSERT_EQ(Put(2, kCapacity), "ok");
  Told<WritablePayload> not_now;
  EXPECT_EQ(Create(3, 100, &not_now), "store_full");
  EXPECT_NE(not_now.Message().find("100 B"), std::string::npos) << not_now.Message();
}

TEST_P(StoreClientConformanceTest, WhatWasNotCreatedHereCannotBeSealed) {
  Cite("kNotFound if it was not created here;");
  EXPECT_EQ(Seal(1), "not_found");
}

TEST_P(StoreClientConformanceTest, AbortGivesTheRoomBack) {
  Cite("Gives the room of a created object back instead; it can be created again.");
  for (int i = 0; i < 3; ++i) {
    Told<WritablePayload> created;
    ASSERT_EQ(Create(1, kCapacity, &created), "ok") << created.Message();
    loop_.Enter([&] { client_->Abort(TestId(1)); });
  }
  EXPECT_TRUE(PollUntil(loop_, [&] { return node_->store->Usage().used_bytes == 0; }))
      << "the room never came back";
}

TEST_P(StoreClientConformanceTest, WhatNoNodeHasIsNotFound) {
  Cite("kNotFound if no node of the hint has it (any more)");
  const auto got = Get(1);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code(), ErrorCode::kNotFound) << got.error().ToString();
}

TEST_P(StoreClientConformanceTest, AViewStaysAsItIsUntilItsLastCopyIsDropped) {
  Cite("It stays pinned until the last copy of the payload is dropped.");
  ASSERT_EQ(Put(1, 8192), "ok");
  auto first = Get(1);
  auto second = Get(1);
  ASSERT_TRUE(first && second);
  first = Payload();
  DeleteAndOverwrite(1);
  EXPECT_TRUE(HasTestBytes(1, second->bytes()));
}

TEST_P(StoreClientConformanceTest, AnyThreadMayDropAView) {
  Cite("the payloads may be used and dropped by any thread.");
  std::vector<Payload> views;
  for (int n = 0; n < 50; ++n) {
    ASSERT_EQ(Put(n, 4096), "ok");
    views.push_back(*Get(n));
  }
  loop_.Enter([&] {
    for (int n = 0; n < 50; ++n) node_->store->Delete(TestId(n));
  });
  std::thread user([views = std::move(views)]() mutable { views.clear(); });
  EXPECT_TRUE(PollUntil(loop_, [&] { return node_->store->Usage().used_bytes == 0; }))
      << "the pins never came back";
  user.join();
}

TEST_P(StoreClientConformanceTest, AViewOutlivesItsClient) {
  Cite("payloads keep their memory valid after the client is gone.");
  ASSERT_EQ(Put(1, 100'000), "ok");
  auto payload = Get(1);
  ASSERT_TRUE(payload);
  loop_.Enter([&] {
    client_.reset();
    connection_.reset();
    node_.reset();
  });
  loop_.PollOnce();
  EXPECT_TRUE(HasTestBytes(1, payload->bytes()));
}

TEST_P(StoreClientConformanceTest, WithoutARayletCallsFail) {
  Cite("kUnavailable if the raylet is gone.");
  loop_.Enter([&] { node_.reset(); });
  EXPECT_EQ(Put(1, 100), "unavailable");
  EXPECT_EQ(Seal(1), "unavailable");
  const auto got = Get(1);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code(), ErrorCode::kUnavailable) << got.error().ToString();
}

TEST_P(StoreClientConformanceTest, SaysWhatTheStoreHoldsAtMost) {
  Cite("what the store holds at most: a larger object can never be created.");
  EXPECT_EQ(client_->capacity_bytes(), kCapacity);
}

}  // namespace
}  // namespace mobula::object_store::conformance
