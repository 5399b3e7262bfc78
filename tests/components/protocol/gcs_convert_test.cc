#include "components/protocol/gcs_convert.h"

#include <gtest/gtest.h>

namespace mobula::protocol {
namespace {

TEST(GcsConvertTest, ResourcesSurviveTheRoundTrip) {
  ResourceSet set{{"CPU", 2.5}, {"tape", 1}};
  set.Set("debt", Amount::FromUnits(-3));
  EXPECT_EQ(protocol::FromProto(protocol::ToProto(set)), set);
}

TEST(GcsConvertTest, EqualMessagesGiveEqualBytesWhateverTheOrderOfInsertion) {
  protocol::NodeInfo up;
  protocol::NodeInfo down;
  for (int i = 0; i < 50; ++i) (*up.mutable_labels())[fmt::format("k{}", i)] = "v";
  for (int i = 49; i >= 0; --i) (*down.mutable_labels())[fmt::format("k{}", i)] = "v";
  EXPECT_EQ(protocol::Serialize(up), protocol::Serialize(down));
  EXPECT_EQ(protocol::LabelsOf(up).begin()->first, "k0");
}

TEST(GcsConvertTest, SameFactsLooksPastTheVersionOnly) {
  protocol::NodeInfo a;
  a.set_node_id("x");
  protocol::NodeInfo b = a;
  b.set_version(9);
  EXPECT_TRUE(protocol::SameFacts(a, b));
  b.set_worker_count(1);
  EXPECT_FALSE(protocol::SameFacts(a, b));
}

TEST(GcsConvertTest, AnIdOfAWrongLengthIsNil) {
  protocol::NodeInfo node;
  node.set_node_id("short");
  EXPECT_TRUE(protocol::IdOf(node).IsNil());
}

}  // namespace
}  // namespace mobula::protocol
