#include "components/gcs/convert.h"

#include <gtest/gtest.h>

namespace mobula::gcs {
namespace {

TEST(GcsConvertTest, ResourcesSurviveTheRoundTrip) {
  ResourceSet set{{"CPU", 2.5}, {"tape", 1}};
  set.Set("debt", Amount::FromUnits(-3));
  EXPECT_EQ(FromProto(ToProto(set)), set);
}

TEST(GcsConvertTest, EqualMessagesGiveEqualBytesWhateverTheOrderOfInsertion) {
  NodeInfo up;
  NodeInfo down;
  for (int i = 0; i < 50; ++i) (*up.mutable_labels())[fmt::format("k{}", i)] = "v";
  for (int i = 49; i >= 0; --i) (*down.mutable_labels())[fmt::format("k{}", i)] = "v";
  EXPECT_EQ(Serialize(up), Serialize(down));
  EXPECT_EQ(LabelsOf(up).begin()->first, "k0");
}

TEST(GcsConvertTest, SameFactsLooksPastTheVersionOnly) {
  NodeInfo a;
  a.set_node_id("x");
  NodeInfo b = a;
  b.set_version(9);
  EXPECT_TRUE(SameFacts(a, b));
  b.set_worker_count(1);
  EXPECT_FALSE(SameFacts(a, b));
}

TEST(GcsConvertTest, AnIdOfAWrongLengthIsNil) {
  NodeInfo node;
  node.set_node_id("short");
  EXPECT_TRUE(IdOf(node).IsNil());
}

}  // namespace
}  // namespace mobula::gcs
