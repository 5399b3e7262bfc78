// What `local_transport:` and `transport:` may name, and what a node does with it.

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "components/base/real/event_loop.h"
#include "mobula/mobula.h"
#include "node/config.h"
#include "node/node.h"
#include "node/process/process_runtime.h"
#include "node/process/program.h"
#include "node/process_settings.h"
#include "node/wiring.h"

namespace mobula::node {
namespace {

constexpr std::string_view kThreads = R"(
node: { role: head, resources: { cpu: 1 } }
gcs: { port: 0 }
object_store: { kind: heap }
workers: { kind: thread }
local_transport: { kind: inprocess }
)";

NodeConfig Config(std::string_view yaml) {
  const Result<ConfigValue> root = ParseYaml(yaml, "test");
  Result<NodeConfig> config = ReadNodeConfig(*root, "test");
  EXPECT_TRUE(config) << config.error().ToString();
  config->log_level = LogLevel::kError;
  return *config;
}

/// \return the transports of these sections, or the error's text.
Result<std::string> LocalScheme(std::string_view yaml) {
  const NodeConfig config = Config(yaml);
  RealEventLoop loop;
  Result<std::string> scheme;
  loop.Enter([&] {
    auto made = MakeTransports(loop, config.transport, Random(1),
                               std::make_shared<transport::HandshakeConfig>());
    if (made) {
      scheme = std::string(made->local->Scheme());
    } else {
      scheme = Fail(made.error());
    }
  });
  return scheme;
}

int Twice(int x) { return 2 * x; }

TEST(LocalTransportTest, InprocessServesADriverAndThreadWorkersOfTheSameProcess) {
  const transport::Token token("secret");
  Node node(Config(kThreads), token, LogSink());
  const Result<NodeEndpoints> started = node.Start();
  ASSERT_TRUE(started) << started.error().ToString();
  EXPECT_TRUE(started->local_endpoint.starts_with("inproc://")) << started->local_endpoint;
  ProcessOptions options;
  options.is_driver = true;
  options.raylet_endpoint = started->local_endpoint;
  options.node_address = started->node_address;
  options.token = token;
  options.settings = *FormatProcessSettings(*ParseYaml(kThreads, "test"));
  options.program = ThisProgram().value();
  Result<std::unique_ptr<ProcessRuntime>> driver = ProcessRuntime::Start(std::move(options));
  ASSERT_TRUE(driver) << driver.error().ToString();
  internal::SetProcessRuntime(&(*driver)->runtime());
  EXPECT_EQ(Get(Remote<Twice>(21)), 42);
  (*driver)->FinishJob("");
  internal::SetProcessRuntime(nullptr);
  driver->reset();
  node.Stop("the test ends");
}

TEST(LocalTransportTest, InprocessIsRefusedForWorkersThatAreProcesses) {
  NodeConfig config = Config(kThreads);
  config.worker_kind = "zygote";
  const Result<NodeEndpoints> started = Node(config, transport::Token("secret"), LogSink()).Start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code(), ErrorCode::kInvalidArgument);
  for (const std::string_view part : {"local_transport", "inproc", "zygote", "kind: thread"}) {
    EXPECT_NE(started.error().message().find(part), std::string::npos) << started.error().message();
  }
}

TEST(LocalTransportTest, ATransportThatReachesNoOtherHostIsRefusedBetweenNodes) {
  for (const std::string kind : {"inprocess", "unix", "shared_memory"}) {
    const Result<std::string> made = LocalScheme("transport: { kind: " + kind + " }");
    ASSERT_FALSE(made) << kind;
    EXPECT_EQ(made.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(made.error().message().find("other hosts"), std::string::npos);
  }
}

TEST(LocalTransportTest, ItsSchemeIsThatOfTheKindOrOfWhatADecoratorWraps) {
  EXPECT_EQ(*LocalScheme(""), "shm+unix");
  EXPECT_EQ(*LocalScheme("local_transport: { kind: unix }"), "unix");
  EXPECT_EQ(*LocalScheme("local_transport: { kind: tcp }"), "tcp");
  EXPECT_EQ(*LocalScheme("local_transport: { kind: faulty, inner: { kind: unix } }"), "unix");
  EXPECT_EQ(*LocalScheme("local_transport: { kind: faulty }"), "shm+unix");
  const Result<std::string> unknown = LocalScheme("local_transport: { kind: pigeon }");
  ASSERT_FALSE(unknown);
  EXPECT_NE(unknown.error().message().find("local_transport"), std::string::npos);
}

}  // namespace
}  // namespace mobula::node
