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
              HasSubstr("workers.prestart is 5, more than workers.max, 2"));
  EXPECT_EQ(Refusal("workers: { prestart: 2, max: 2 }"), "accepted");
}

TEST(ConfigChecksTest, ANodeHasTimeToSayThatItLives) {
  EXPECT_THAT(Refusal("gcs: { heartbeat_period: 0s, heartbeat_timeout: 1s }"),
              HasSubstr("heartbeat_period"));
  EXPECT_THAT(Refusal("gcs: { heartbeat_period: 2s, heartbeat_timeout: 2s }"),
              AllOf(HasSubstr("heartbeat_timeout"), HasSubstr("heartbeat_period")));
}

}  // namespace
}  // namespace mobula::node
