// The log of the GCS as a golden text. The book quotes it (chapter 7).

#include "components/protocol/gcs.pb.h"
#include "tests/components/gcs/gcs_world.h"

namespace mobula::gcs {
namespace {

TEST(GcsStoryTest, ARestartAndThenAPausedNode) {
  GcsWorld world;
  world.config.cluster_id = Random(4).NewId<ClusterId>();
  world.StartServer();
  auto a = world.AddNode('a');
  auto b = world.AddNode('b');
  auto driver = world.AddClient();
  protocol::JobInfo job;
  job.set_node_id(NodeIdOf('b'));
  job.set_entrypoint("./pi");
  world.loop.RunFor(seconds(1));
  driver->StartJob(job, [](const auto&) {});
  world.loop.RunFor(seconds(1));
  world.KillServer();
  world.loop.RunFor(seconds(8));
  world.StartServer();
  world.loop.RunFor(seconds(10));
  b->loop.Pause();
  world.loop.RunFor(seconds(10));
  b->loop.Resume();
  world.loop.RunFor(seconds(1));
  b->client.Stop();  // the raylet ends, and a new one starts in its place
  auto c = world.AddNode('c');
  std::string story;
  for (const std::string& line : world.lines) story += line + "\n";
  EXPECT_EQ(story,
            R"(   0.000s  gcs  gcs     started  cluster=132c7ed2 generation=1 nodes=0 storage=memory
   0.000s  gcs  node    registered node=61616161 endpoint=inproc://a
   0.010s  gcs  node    registered node=62626262 endpoint=inproc://b
   1.020s  gcs  job     started  job=00000001 entrypoint="./pi"
  10.020s  gcs  gcs     started  cluster=132c7ed2 generation=2 nodes=2 storage=memory
  10.455s  gcs  node    reconnected node=61616161 endpoint=inproc://a
  10.676s  gcs  node    reconnected node=62626262 endpoint=inproc://b
  25.010s  gcs  node    dead     node=62626262 reason="no heartbeat for 5 s"
  25.010s  gcs  job     finished job=00000001 state=FAILED
  30.020s  gcs  node    fenced   node=62626262 epoch=2
  31.020s  gcs  node    registered node=63636363 endpoint=inproc://c
)");
  EXPECT_EQ(a->fenced, 0);
  EXPECT_EQ(b->fenced, 1);
}

}  // namespace
}  // namespace mobula::gcs
