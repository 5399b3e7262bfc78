#include "components/object_store/client/mapped_store_client.h"

#include <thread>

#include "tests/components/object_store/attached_client.h"

namespace mobula::object_store {
namespace {

constexpr std::uint64_t kCapacity = 8 << 20;

StoreNode::Options SharedMemory() {
  StoreNode::Options options;
  options.store = MakeStore("shared_memory", kCapacity);
  return options;
}

class MappedStoreClientTest : public testing::Test, protected AttachedClient {
 protected:
  MappedStoreClientTest() : AttachedClient(SharedMemory()) {}

  void Delete(int n) {
    loop_.Enter([&] { node_->store->Delete(TestId(n)); });
  }
  std::uint64_t Used() { return node_->store->Usage().used_bytes; }
  bool ComesToUse(std::uint64_t bytes) {
    return PollUntil(loop_, [&] { return Used() == bytes; });
  }
};

TEST_F(MappedStoreClientTest, BytesStayWhereTheyAre) {
  EXPECT_EQ(client_->Name(), "mapped");
  ASSERT_EQ(Put(1, 5 << 20), "ok");
  const auto payload = Get(1);
  ASSERT_TRUE(payload);
  EXPECT_TRUE(HasTestBytes(1, payload->bytes()));
  // The same memory, seen through the raylet's own mapping.
  EXPECT_TRUE(node_->Holds(1));
}

TEST_F(MappedStoreClientTest, ManySmallObjectsEachHaveTheirPlace) {
  for (int n = 0; n < 200; ++n) ASSERT_EQ(Put(n, 100 + static_cast<std::uint64_t>(n)), "ok");
  for (int n = 0; n < 200; ++n) {
    const auto payload = Get(n);
    ASSERT_TRUE(payload);
    EXPECT_TRUE(HasTestBytes(n, payload->bytes()));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(payload->bytes().data()) % 64, 0U);
  }
}

TEST_F(MappedStoreClientTest, AViewIsPinnedUntilItsLastCopyIsDropped) {
  ASSERT_EQ(Put(1, 4096), "ok");
  auto first = Get(1);
  auto second = Get(1);
  EXPECT_EQ(first->keep(), second->keep()) << "one pin for all of this process";
  Delete(1);
  first = Payload();
  loop_.PollOnce();
  EXPECT_TRUE(HasTestBytes(1, second->bytes()));
  EXPECT_EQ(Used(), 4096U);
  second = Payload();
  EXPECT_TRUE(ComesToUse(0));
}

TEST_F(MappedStoreClientTest, AnyThreadMayDropAView) {
  for (int n = 0; n < 50; ++n) ASSERT_EQ(Put(n, 4096), "ok");
  std::vector<Payload> views;
  for (int n = 0; n < 50; ++n) views.push_back(*Get(n));
  for (int n = 0; n < 50; ++n) Delete(n);
  std::thread user([views = std::move(views)]() mutable { views.clear(); });
  EXPECT_TRUE(ComesToUse(0));
  user.join();
}

TEST_F(MappedStoreClientTest, AViewOutlivesItsClientAndTheRaylet) {
  ASSERT_EQ(Put(1, 100'000), "ok");
  auto payload = Get(1);
  loop_.Enter([&] {
    client_.reset();
    connection_.reset();
    node_.reset();
  });
  loop_.PollOnce();
  EXPECT_TRUE(HasTestBytes(1, payload->bytes()));
  payload = Payload();  // releases nothing, harms nobody
}

TEST_F(MappedStoreClientTest, AbortGivesTheRoomBack) {
  Told<WritablePayload> created;
  loop_.Enter([&] { client_->Create(TestId(1), 4096, created.Callback()); });
  ASSERT_TRUE(PollUntil(loop_, [&] { return created.Ok(); }));
  loop_.Enter([&] { client_->Abort(TestId(1)); });
  EXPECT_TRUE(ComesToUse(0));
}

TEST_F(MappedStoreClientTest, CallsFailWhenTheRayletIsGone) {
  loop_.Enter([&] { node_.reset(); });
  const auto payload = Get(1);
  ASSERT_FALSE(payload);
  EXPECT_EQ(payload.error().code(), ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace mobula::object_store
