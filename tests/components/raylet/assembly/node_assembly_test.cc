// One order for every node: its services, its raylet, its membership; and the reverse at the end.

#include "components/raylet/assembly/node_assembly.h"

#include <gtest/gtest.h>

#include "components/protocol/gcs_convert.h"
#include "tests/components/raylet/raylet_world.h"

namespace mobula::raylet::testing {
namespace {

/// A service of the head that serves when the test says so.
class HeldService final : public HeadService {
 public:
  explicit HeldService(std::function<void()> on_stop) : on_stop_(std::move(on_stop)) {}
  [[nodiscard]] std::string_view Name() const override { return "held"; }
  void Start(Done<void> done) override { serve = std::move(done); }
  void OnFailed(std::function<void(const Error&)> callback) override { fail = std::move(callback); }
  void Stop() override {
    if (on_stop_) std::exchange(on_stop_, nullptr)();
  }

  Done<void> serve;
  std::function<void(const Error&)> fail;

 private:
  std::function<void()> on_stop_;
};

/// A second node in a world, with a service, not started.
struct Head {
  Head() {
    NodeOptions options;
    options.raylet.node_id = world.random.NewId<NodeId>();
    options.raylet.resources = {{"CPU", 1}};
    options.raylet.listen_endpoint = "inproc://head";
    options.raylet.local_listen_endpoint = "inproc://head_local";
    options.object_store = ConfigValue(ConfigValue::Map{{"kind", ConfigValue("heap")}});
    node = *world.Assemble(std::move(options));
    service = &node->services().Add(std::make_unique<HeldService>([this] {
      // Only an endpoint that nobody listens at any more can be listened at.
      const bool is_free = world.transport->Listen("inproc://head", [](auto) {}).has_value();
      at_end = is_free ? "its raylet is over" : "its raylet still serves";
    }));
  }
  void Start() {
    node->Start([this](const Result<void>& joined) {
      outcome = joined ? "joined" : joined.error().ToString();
    });
    world.RunFor(std::chrono::milliseconds(100));
  }
  void Serve() {
    service->serve({});
    world.RunFor(std::chrono::milliseconds(100));
  }
  /// \return the state of this node as the GCS sees it.
  std::string Seen() {
    std::string seen = "nothing";
    world.gcs->ListNodes([&](Result<std::vector<protocol::NodeInfo>> nodes) {
      for (const protocol::NodeInfo& info : *nodes) {
        if (info.endpoint() != "inproc://head") continue;
        seen = protocol::IsAlive(info) ? "alive" : info.death_reason();
      }
    });
    world.RunFor(std::chrono::milliseconds(10));
    return seen;
  }

  World world{{{"CPU", 1}}};
  std::string outcome = "nothing";
  std::string at_end = "nothing";
  std::unique_ptr<NodeAssembly> node;
  HeldService* service = nullptr;
};

TEST(NodeAssemblyTest, JoinsOnlyOnceItsServicesServe) {
  Head head;
  head.Start();
  EXPECT_EQ(head.outcome, "nothing");
  EXPECT_EQ(head.node->raylet(), nullptr);
  EXPECT_EQ(head.Seen(), "nothing");
  head.Serve();
  EXPECT_EQ(head.outcome, "joined");
  EXPECT_EQ(head.node->raylet()->endpoint(), "inproc://head");
  EXPECT_EQ(head.node->raylet()->local_endpoint(), "inproc://head_local");
  EXPECT_EQ(head.Seen(), "alive");
}

TEST(NodeAssemblyTest, AServiceThatCannotStartIsWhyTheNodeCannot) {
  Head head;
  head.Start();
  head.service->serve(Fail(ErrorCode::kAlreadyExists, "port 8265 is in use"));
  head.world.RunFor(std::chrono::milliseconds(100));
  EXPECT_EQ(head.outcome, "already_exists: head service held: port 8265 is in use");
  EXPECT_EQ(head.Seen(), "nothing");
}

TEST(NodeAssemblyTest, AServiceThatFailsEndsTheNodeAndTheFirstReasonCounts) {
  Head head;
  std::vector<std::string> told;
  head.node->OnMustExit([&](const Error& why) { told.push_back(why.message()); });
  head.Start();
  head.Serve();
  head.service->fail(Error(ErrorCode::kInternal, "the disk is gone"));
  head.world.gcs_service->Stop();
  head.world.RunFor(std::chrono::minutes(2));
  EXPECT_EQ(told, std::vector<std::string>{"head service held: the disk is gone"});
}

TEST(NodeAssemblyTest, AFailureDuringTheStartIsTheAnswerOfTheStart) {
  Head head;
  head.Start();
  head.service->fail(Error(ErrorCode::kInternal, "the disk is gone"));
  EXPECT_EQ(head.outcome, "internal: head service held: the disk is gone");
}

TEST(NodeAssemblyTest, LeavesTheClusterBeforeItEnds) {
  Head head;
  head.Start();
  head.Serve();
  bool has_left = false;
  head.node->Leave("asked to", [&] { has_left = true; });
  head.world.RunFor(std::chrono::milliseconds(100));
  EXPECT_TRUE(has_left);
  EXPECT_EQ(head.Seen(), "left: asked to");
}

TEST(NodeAssemblyTest, ANodeThatNeverJoinedLeavesAtOnce) {
  Head head;
  head.Start();
  bool has_left = false;
  head.node->Leave("asked to", [&] { has_left = true; });
  EXPECT_TRUE(has_left);
}

TEST(NodeAssemblyTest, EndsTheRayletBeforeTheServicesItUses) {
  Head head;
  head.Start();
  head.Serve();
  head.node->Stop();
  EXPECT_EQ(head.at_end, "its raylet is over");
  head.node->Stop();  // twice is harmless
}

TEST(NodeAssemblyTest, WhoAsksLateIsToldThatTheNodeMustEnd) {
  World world({{"CPU", 1}});
  world.gcs_service->Stop();
  world.RunFor(std::chrono::minutes(2));
  std::vector<std::string> told;
  world.node->OnMustExit([&](const Error& why) { told.push_back(why.message()); });
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0], "the head is lost: nothing listens at inproc://gcs");
}

TEST(NodeAssemblyTest, AKindThatIsNotThereIsAnErrorOfItsSection) {
  World world({{"CPU", 1}});
  const ConfigValue nonsense(ConfigValue::Map{{"kind", ConfigValue("nonsense")}});
  NodeOptions store;
  store.object_store = nonsense;
  EXPECT_EQ(world.Assemble(std::move(store)).error().code(), ErrorCode::kInvalidArgument);
  NodeOptions scheduler;
  scheduler.object_store = ConfigValue(ConfigValue::Map{{"kind", ConfigValue("heap")}});
  scheduler.scheduler = nonsense;
  const auto refused = world.Assemble(std::move(scheduler));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_NE(refused.error().message().find("scheduler"), std::string::npos);
}

}  // namespace
}  // namespace mobula::raylet::testing
