// What a node's file says reaches its drivers and workers, whatever is in it.

#include "node/process_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/config.h"
#include "node/process/process_runtime.h"

namespace mobula::node {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

std::string TextOf(std::string_view yaml) {
  const Result<ConfigValue> root = ParseYaml(yaml, "n.yaml");
  const Result<NodeConfig> config = ReadNodeConfig(*root, "n.yaml");
  EXPECT_TRUE(config) << config.error().ToString();
  return config ? config->process_settings : std::string();
}

/// \return why a worker that is given this text does not start.
std::string Refusal(const std::string& text) {
  ProcessOptions options;
  options.raylet_endpoint = "unix:///nowhere/raylet.sock";
  options.node_address = "127.0.0.1";
  options.settings = text;
  const auto started = ProcessRuntime::Start(std::move(options));
  return started ? "started" : started.error().message();
}

TEST(ProcessSettingsTest, TheTextSaysTheSameAsTheFile) {
  const Result<ProcessSettings> read = ParseProcessSettings(
      TextOf("core_worker: { pipeline_time: 7ms, reconstructions_max: 3 }\n"
             "local_transport:\n"
             "  kind: faulty\n"
             "  inner: { kind: unix }\n"
             "  rules: [{ effect: delay, delay: 1ms }, { effect: cut, method: 770 }]\n"));
  ASSERT_TRUE(read) << read.error().ToString();
  EXPECT_EQ(read->core_worker.pipeline_time, milliseconds(7));
  EXPECT_EQ(read->core_worker.reconstructions_max, 3U);
  EXPECT_TRUE(read->transport.remote.IsNull() || read->transport.remote.map()->empty());
  ConfigReader local(read->transport.local, "local_transport");
  EXPECT_EQ(local.Text("kind", ""), "faulty");
  const ConfigValue& rules = local.Child("rules");
  ASSERT_EQ(rules.list()->size(), 2U);
  EXPECT_EQ(*rules.list()->at(1).map()->at("method").scalar(), "770");
}

TEST(ProcessSettingsTest, AFileWithoutTheseSectionsGivesNoText) {
  EXPECT_EQ(TextOf("node: { role: head }"), "");
  EXPECT_TRUE(ParseProcessSettings(""));
}

TEST(ProcessSettingsTest, AWorkerRefusesATransportOfUnknownKindByName) {
  EXPECT_THAT(Refusal(R"({"local_transport": {"kind": "pigeon"}})"), HasSubstr("pigeon"));
  EXPECT_THAT(Refusal(R"({"core_worker": {"speed": "1"}})"), HasSubstr("speed"));
}

TEST(ProcessSettingsTest, ATextTooLongToSendIsRefused) {
  const std::string yaml = "transport: { kind: tcp, name: \"" + std::string(20'000, 'x') + "\" }";
  const Result<NodeConfig> config = ReadNodeConfig(*ParseYaml(yaml, "n.yaml"), "n.yaml");
  ASSERT_FALSE(config);
  EXPECT_THAT(config.error().message(), HasSubstr("allowed are 16384"));
}

}  // namespace
}  // namespace mobula::node
