#include "components/object_store/store_service.h"

#include "components/base/simulated/event_loop.h"
#include "components/protocol/object_store_methods.h"
#include "components/transport/inprocess/inprocess_transport.h"
#include "tests/components/object_store/store_node.h"

namespace mobula::object_store {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// One process attached to the store, over messages.
struct Process {
  Process(EventLoop& loop, transport::Transport& transport)
      : connection(loop, transport, "inproc://s", Random(3)) {
    AttachStore(loop, connection, [this](Result<std::unique_ptr<StoreClient>> attached) {
      ASSERT_TRUE(attached) << attached.error().ToString();
      client = std::move(*attached);
    });
  }
  rpc::Client connection;
  std::unique_ptr<StoreClient> client;
};

class StoreServiceTest : public testing::Test {
 protected:
  void Start(StoreNode::Options options = {}) {
    node_ = std::make_unique<StoreNode>(loop_, *transport_, "inproc://s", std::move(options));
    anna_ = Attach();
    bert_ = Attach();
  }
  std::unique_ptr<Process> Attach() {
    auto process = std::make_unique<Process>(loop_, *transport_);
    loop_.RunReady();
    EXPECT_NE(process->client, nullptr);
    return process;
  }
  /// Creates, fills and seals. \return how the seal ended.
  std::string_view Put(Process& process, int n, std::uint64_t size) {
    Told<WritablePayload> created;
    process.client->Create(TestId(n), size, created.Callback());
    loop_.RunReady();
    if (!created.Ok()) return created.What();
    FillTestBytes(n, (*created.value)->bytes);
    Told<void> sealed;
    process.client->Seal(TestId(n), sealed.Callback());
    loop_.RunReady();
    return sealed.What();
  }
  [[nodiscard]] std::uint64_t Used() const { return node_->store->Usage().used_bytes; }

  SimulatedEventLoop loop_{1};
  std::unique_ptr<transport::Transport> transport_ = transport::MakeInprocessTransport(loop_);
  std::unique_ptr<StoreNode> node_;
  std::unique_ptr<Process> anna_;
  std::unique_ptr<Process> bert_;
};

TEST_F(StoreServiceTest, OneProcessReadsWhatAnotherWrote) {
  Start();
  EXPECT_EQ(anna_->client->Name(), "message");
  EXPECT_EQ(Put(*anna_, 1, 100'000), "ok");
  Told<Payload> got;
  bert_->client->Get(TestId(1), {}, got.Callback());
  loop_.RunReady();
  ASSERT_TRUE(got.Ok());
  EXPECT_EQ((*got.value)->size(), 100'000U);
  EXPECT_TRUE(HasTestBytes(1, (*got.value)->bytes()));
}

TEST_F(StoreServiceTest, EmptyObjectsTravelToo) {
  Start();
  EXPECT_EQ(Put(*anna_, 1, 0), "ok");
  Told<Payload> got;
  bert_->client->Get(TestId(1), {}, got.Callback());
  loop_.RunReady();
  ASSERT_TRUE(got.Ok());
  EXPECT_TRUE((*got.value)->empty());
}

TEST_F(StoreServiceTest, AnObjectThatIsNowhereIsNotFound) {
  Start();
  Told<Payload> got;
  bert_->client->Get(TestId(1), {}, got.Callback());
  loop_.RunReady();
  EXPECT_EQ(got.What(), "not_found");
}

TEST_F(StoreServiceTest, AnObjectThatCanNeverFitFailsAtOnceWithTheNumbers) {
  Start();
  Told<WritablePayload> created;
  anna_->client->Create(TestId(1), 3ULL << 30, created.Callback());
  loop_.RunReady();
  EXPECT_EQ(created.What(), "store_full");
  EXPECT_NE(created.Message().find("is 3 GiB, the store holds 1 MiB"), std::string::npos)
      << created.Message();
}

TEST_F(StoreServiceTest, CreateWaitsForRoomInLine) {
  Start({.capacity = 1000 * 64});
  ASSERT_EQ(Put(*anna_, 1, 900 * 64), "ok");
  Told<WritablePayload> large;
  Told<WritablePayload> small;
  anna_->client->Create(TestId(2), 800 * 64, large.Callback());
  bert_->client->Create(TestId(3), 64, small.Callback());
  loop_.RunReady();
  EXPECT_EQ(large.What(), "");
  EXPECT_EQ(small.What(), "") << "a small object does not overtake a large one for ever";
  const ObjectId freed = TestId(1);
  node_->service.Delete(std::span(&freed, 1));
  loop_.RunReady();
  EXPECT_TRUE(large.Ok());
  EXPECT_TRUE(small.Ok());
}

TEST_F(StoreServiceTest, CreateGivesUpAfterItsWaitAndLetsTheNextOneIn) {
  Start({.capacity = 1000 * 64, .creates = {.create_wait_max = seconds(3)}});
  ASSERT_EQ(Put(*anna_, 1, 900 * 64), "ok");
  Told<WritablePayload> large;
  Told<WritablePayload> small;
  anna_->client->Create(TestId(2), 800 * 64, large.Callback());
  loop_.RunFor(seconds(1));
  bert_->client->Create(TestId(3), 64, small.Callback());
  loop_.RunFor(milliseconds(1999));
  EXPECT_EQ(large.What(), "");
  loop_.RunFor(milliseconds(2));
  EXPECT_EQ(large.What(), "store_full");
  EXPECT_NE(large.Message().find("is 50 KiB, the store of 62.5 KiB"), std::string::npos)
      << large.Message();
  EXPECT_TRUE(small.Ok()) << "who waited behind it fits";
}

TEST_F(StoreServiceTest, TheLineOfCreatesIsBounded) {
  Start({.capacity = 64, .creates = {.creates_waiting_max = 1}});
  ASSERT_EQ(Put(*anna_, 1, 64), "ok");
  Told<WritablePayload> waits;
  Told<WritablePayload> refused;
  anna_->client->Create(TestId(2), 64, waits.Callback());
  anna_->client->Create(TestId(3), 64, refused.Callback());
  loop_.RunReady();
  EXPECT_EQ(waits.What(), "");
  EXPECT_EQ(refused.What(), "store_full");
}

TEST_F(StoreServiceTest, ASecondWriterWaitsForTheFirst) {
  Start();
  Told<WritablePayload> first;
  Told<WritablePayload> second;
  anna_->client->Create(TestId(1), 10, first.Callback());
  bert_->client->Create(TestId(1), 10, second.Callback());
  loop_.RunReady();
  EXPECT_TRUE(first.Ok());
  EXPECT_EQ(second.What(), "");
  anna_->client->Abort(TestId(1));
  loop_.RunReady();
  EXPECT_TRUE(second.Ok()) << "an aborted write makes way";
}

TEST_F(StoreServiceTest, ASecondWriterLearnsThatTheObjectIsThere) {
  Start();
  ASSERT_EQ(Put(*anna_, 1, 10), "ok");
  Told<WritablePayload> second;
  bert_->client->Create(TestId(1), 10, second.Callback());
  loop_.RunReady();
  EXPECT_EQ(second.What(), "already_exists");
}

TEST_F(StoreServiceTest, ADeadProcessLeavesNothingBehind) {
  Start();
  ASSERT_EQ(Put(*anna_, 1, 64), "ok");
  Told<WritablePayload> unsealed;
  bert_->client->Create(TestId(2), 6400, unsealed.Callback());
  loop_.RunReady();
  EXPECT_EQ(Used(), 6464U);
  bert_.reset();
  loop_.RunReady();
  EXPECT_EQ(Used(), 64U);
  EXPECT_EQ(node_->service.client_count(), 1U);
}

TEST_F(StoreServiceTest, ADeadProcessLeavesTheLine) {
  Start({.capacity = 64});
  ASSERT_EQ(Put(*anna_, 1, 64), "ok");
  Told<WritablePayload> waiting;
  bert_->client->Create(TestId(2), 64, waiting.Callback());
  loop_.RunReady();
  bert_.reset();
  loop_.RunReady();
  EXPECT_EQ(node_->creates.size(), 0U);
  node_->store->Delete(TestId(1));
  loop_.RunReady();
  EXPECT_EQ(Used(), 0U);
}

TEST_F(StoreServiceTest, SendingUnpinsWhenTheBytesHaveLeft) {
  Start();
  ASSERT_EQ(Put(*anna_, 1, 6400), "ok");
  Told<Payload> got;
  bert_->client->Get(TestId(1), {}, got.Callback());
  loop_.RunReady();
  node_->store->Delete(TestId(1));
  EXPECT_EQ(Used(), 0U) << "bytes that travelled by message are nobody's pin";
  EXPECT_TRUE(HasTestBytes(1, (*got.value)->bytes()));
}

TEST_F(StoreServiceTest, GetsOfOneObjectShareOneFetchAndOneCopy) {
  Start();
  ASSERT_EQ(Put(*anna_, 1, 6400), "ok");
  Told<Payload> first;
  Told<Payload> second;
  Told<Payload> later;
  bert_->client->Get(TestId(1), {}, first.Callback());
  bert_->client->Get(TestId(1), {}, second.Callback());
  loop_.RunReady();
  node_->store->Delete(TestId(1));
  bert_->client->Get(TestId(1), {}, later.Callback());
  EXPECT_EQ(later.What(), "") << "never inside the call";
  loop_.RunReady();
  ASSERT_TRUE(later.Ok());
  EXPECT_EQ((*first.value)->bytes().data(), (*second.value)->bytes().data());
  EXPECT_EQ((*first.value)->bytes().data(), (*later.value)->bytes().data());
}

TEST_F(StoreServiceTest, PayloadsOutliveTheirClient) {
  Start();
  ASSERT_EQ(Put(*anna_, 1, 6400), "ok");
  Told<Payload> got;
  bert_->client->Get(TestId(1), {}, got.Callback());
  loop_.RunReady();
  bert_.reset();
  loop_.RunReady();
  EXPECT_TRUE(HasTestBytes(1, (*got.value)->bytes()));
  got.value.reset();
  loop_.RunReady();
}

TEST_F(StoreServiceTest, SealingWhatWasNotCreatedFails) {
  Start();
  Told<void> sealed;
  anna_->client->Seal(TestId(1), sealed.Callback());
  loop_.RunReady();
  EXPECT_FALSE(sealed.Ok());
  EXPECT_NE(sealed.What(), "");
}

TEST_F(StoreServiceTest, CallsWithoutAttachAreRefused) {
  Start();
  rpc::Client stranger(loop_, *transport_, "inproc://s", Random(4));
  Told<protocol::GetObjectReply> got;
  stranger.Call(protocol::kGetObject, protocol::GetObjectRequest(), got.Callback());
  loop_.RunReady();
  EXPECT_EQ(got.What(), "invalid_argument");
}

TEST_F(StoreServiceTest, StopAnswersWhoWaits) {
  Start({.capacity = 64});
  ASSERT_EQ(Put(*anna_, 1, 64), "ok");
  Told<WritablePayload> waiting;
  bert_->client->Create(TestId(2), 64, waiting.Callback());
  loop_.RunReady();
  node_->service.Stop();
  node_->service.Stop();
  loop_.RunReady();
  EXPECT_EQ(waiting.What(), "cancelled");
}

}  // namespace
}  // namespace mobula::object_store
