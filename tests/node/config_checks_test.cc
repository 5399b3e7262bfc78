// Configurations that are wrong in themselves: each is refused with the place and the reason.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/config.h"

namespace mobula::node {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

/// \return why `yaml` is refused; "accepted" if it is not.
std::string Refusal(std::string_view yaml) {
  const Result<ConfigValue> root = ParseYaml(yaml, "n.yaml");
  if (!root) return root.error().message();
  const Result<NodeConfig> config = ReadNodeConfig(*root, "n.yaml");
  return config ? "accepted" : config.error().message();
}

TEST(ConfigChecksTest, AKeyThatIsThereTwiceIsNotDroppedInSilence) {
  EXPECT_THAT(Refusal("node: { role: head }\nnode: { role: worker }\n"),
              HasSubstr("n.yaml:2: not valid YAML: node is there twice"));
  EXPECT_THAT(Refusal("node:\n  ? { a: b }\n  : c\n"), HasSubstr("a key is a text"));
}

TEST(ConfigChecksTest, NoMoreWorkersArePrestartedThanThereMayBe) {
  EXPECT_THAT(Refusal("workers: { prestart: 5, max: 2 }"),
              HasSubstr("workers.prestart (line 1) is 5, more than workers.max, 2"));
  EXPECT_EQ(Refusal("workers: { prestart: 2, max: 2 }"), "accepted");
}

TEST(ConfigChecksTest, ANodeHasTimeToSayThatItLives) {
  EXPECT_THAT(Refusal("gcs: { heartbeat_period: 0s, heartbeat_timeout: 1s }"),
              HasSubstr("heartbeat_period"));
  EXPECT_THAT(Refusal("gcs: { heartbeat_period: 2s, heartbeat_timeout: 2s }"),
              AllOf(HasSubstr("heartbeat_timeout"), HasSubstr("heartbeat_period")));
}

TEST(ConfigChecksTest, ANodeHasTheResourcesThatItSaysNoneIncluded) {
  const auto read = [](std::string_view yaml) {
    return ReadNodeConfig(*ParseYaml(yaml, "n.yaml"), "n.yaml")->raylet.resources;
  };
  EXPECT_EQ(read("node: { resources: { cpu: 0, memory: 0 } }"), ResourceSet());
  EXPECT_EQ(read(""), MachineResources());
  for (const std::string_view custom : {"tape: -3", "CPU: 7", "memory: 1"}) {
    EXPECT_THAT(Refusal(fmt::format("node: {{ resources: {{ custom: {{ {} }} }} }}", custom)),
                HasSubstr("node.resources.custom"));
  }
}

TEST(ConfigChecksTest, AnAddressThatMeansAllIsNoneThatOthersReach) {
  for (const std::string_view all : {"0.0.0.0", "\"::\""}) {
    EXPECT_THAT(Refusal(fmt::format("node: {{ address: {} }}", all)),
                HasSubstr("an address of this machine is wanted"));
  }
}

}  // namespace
}  // namespace mobula::node
