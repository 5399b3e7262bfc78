#include "components/protocol/convert.h"

#include <gtest/gtest.h>

#include <set>

namespace mobula::protocol {
namespace {

const NodeId kNode = NodeId::FromBinaryOrNil(std::string(NodeId::kSize, 'n'));
const std::vector<mobula::SchedulingStrategy> kAll = {
    DefaultScheduling{}, Spread{}, OnNode{.node = kNode}, OnNode{.node = kNode, .soft = true},
    OnNode{.node = NodeId()}};

TEST(SchedulingStrategyTest, EachSurvivesTheRoundTrip) {
  for (const mobula::SchedulingStrategy& strategy : kAll) {
    SchedulingStrategy read;
    ASSERT_TRUE(read.ParseFromString(ToMessage(strategy).SerializeAsString()));
    const auto back = FromMessage(read);
    ASSERT_TRUE(back) << back.error().ToString();
    EXPECT_EQ(*back, strategy) << ToText(strategy);
  }
}

TEST(SchedulingStrategyTest, EachHasAnotherTextAndAnotherPlaceInTheOrder) {
  std::set<std::string> texts;
  for (const mobula::SchedulingStrategy& strategy : kAll) texts.insert(ToText(strategy));
  EXPECT_EQ(texts.size(), kAll.size());
  EXPECT_EQ(std::set(kAll.begin(), kAll.end()).size(), kAll.size());
  EXPECT_EQ(ToText(kAll[3]), "node " + kNode.Hex() + " (soft)");
}

TEST(SchedulingStrategyTest, OneOfAnUnknownKindOrWithHalfAnIdIsAnErrorAndNotTheDefault) {
  SchedulingStrategy unknown;
  ASSERT_TRUE(unknown.ParseFromString(std::string("\x7a\x00", 2)));  // field 15, of the future
  EXPECT_EQ(FromMessage(unknown).error().code(), ErrorCode::kInvalidArgument);
  SchedulingStrategy half;
  half.mutable_on_node()->set_node_id("short");
  const auto read = FromMessage(half);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(read.error().message(), "scheduling strategy: an id of 16 bytes was given 5");
}

}  // namespace
}  // namespace mobula::protocol
