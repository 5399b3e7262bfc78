// Calling any handler twice with the same request equals once: played over every method of every
// service of gcs.proto, so a method without a sample here fails too.

#include <google/protobuf/descriptor.h>

#include <map>

#include "components/protocol/gcs_methods.h"
#include "tests/components/gcs/gcs_world.h"

namespace mobula::gcs {
namespace {

using Samples = std::map<std::string, std::vector<std::pair<rpc::MethodInfo, std::string>>>;

template <typename M>
void Add(Samples& samples, const M& method, const typename M::Request& request) {
  std::string name(method.name);
  name[name.find('/')] = '.';
  samples[name].emplace_back(method, request.SerializeAsString());
}

void AddNodeSamples(Samples& samples) {
  protocol::RegisterNodeRequest reg;
  reg.mutable_node()->set_node_id(NodeIdOf('n'));
  Add(samples, protocol::kRegisterNode, reg);
  reg.mutable_node()->set_node_id(NodeIdOf('l'));
  Add(samples, protocol::kRegisterNode, reg);
  Add(samples, protocol::kRegisterNode, {});
  protocol::HeartbeatRequest beat;
  beat.set_node_id(NodeIdOf('n'));
  beat.set_epoch(1);
  beat.mutable_changed()->set_worker_count(4);
  Add(samples, protocol::kHeartbeat, beat);
  beat.set_epoch(7);
  Add(samples, protocol::kHeartbeat, beat);
  protocol::LeaveNodeRequest leave;
  leave.set_node_id(NodeIdOf('l'));
  Add(samples, protocol::kLeaveNode, leave);
  Add(samples, protocol::kListNodes, {});
  protocol::ReportWorkerDeathRequest death;
  death.mutable_death()->set_worker_id("w");
  Add(samples, protocol::kReportWorkerDeath, death);
}

void AddJobSamples(Samples& samples) {
  for (const char node : {'n', 'l'}) {  // alive, left
    protocol::StartJobRequest start;
    start.set_request_id(std::string("r") + node);
    start.mutable_job()->set_node_id(NodeIdOf(node));
    start.mutable_job()->set_driver_id(std::string("d") + node);
    Add(samples, protocol::kStartJob, start);
  }
  protocol::FinishJobRequest finish;
  finish.set_job_id(std::string("\0\0\0\1", 4));
  finish.set_state("FAILED");
  Add(samples, protocol::kFinishJob, finish);
  finish.set_job_id(std::string("\0\0\0\7", 4));
  Add(samples, protocol::kFinishJob, finish);
  Add(samples, protocol::kListJobs, {});
}

void AddKeyValueSamples(Samples& samples) {
  protocol::PutValueRequest put;
  put.set_key("k");
  put.set_value("1");
  Add(samples, protocol::kPutValue, put);
  put.set_keep_existing(true);
  put.set_value("2");
  Add(samples, protocol::kPutValue, put);
  put.set_key("kept");
  Add(samples, protocol::kPutValue, put);
  protocol::GetValueRequest get;
  get.set_key("k");
  Add(samples, protocol::kGetValue, get);
  protocol::DeleteValuesRequest del;
  del.set_key("k");
  Add(samples, protocol::kDeleteValues, del);
  Add(samples, protocol::kListKeys, {});
}

Samples AllSamples() {
  Samples samples;
  AddNodeSamples(samples);
  AddJobSamples(samples);
  AddKeyValueSamples(samples);
  protocol::SubscribeRequest subscribe;
  subscribe.add_topics()->set_channel(protocol::NODES);
  subscribe.add_topics()->set_channel(protocol::JOBS);
  Add(samples, protocol::kSubscribe, subscribe);
  subscribe.mutable_topics(0)->add_keys(NodeIdOf('n'));
  Add(samples, protocol::kSubscribe, subscribe);
  subscribe.add_topics();  // a channel that is none
  Add(samples, protocol::kSubscribe, subscribe);
  return samples;
}

/// A GCS to which every request is sent `times` times, and what came of it.
struct Played {
  explicit Played(int times) : times_(times) {
    world.StartServer();
    observer.emplace(world);
    caller.emplace(world.loop, *world.transport, "inproc://gcs", Random(3),
                   rpc::ClientOptions{.reconnect_window = Duration(-1)}, &services);
    services.Handle(protocol::kDeliver, [](const protocol::Delta&, const rpc::CallContext&,
                                           auto respond) { respond(protocol::DeliverReply()); });
  }

  void Play(const rpc::MethodInfo& method, const std::string& request) {
    for (int i = 0; i < times_; ++i) {
      std::string answer = "none";
      caller->CallRaw(method, request, {}, [&answer](Result<rpc::RawReply> r) {
        answer = r ? ToHex(r->body) : r.error().ToString();
      });
      world.loop.RunReady();
      last = answer;
      if (i == 0) first_answer = answer;
    }
    world.loop.RunFor(milliseconds(10));
    world.server->CheckInvariants();
  }

  /// \return all that is stored and all that was received.
  std::string State() {
    std::string state = observer->received + "\n";
    for (const char* table : {"meta", "nodes", "jobs", "worker_deaths", "key_value"}) {
      const auto entries = world.Await<Storage::Entries>(
          [&](auto done) { world.storage.Scan(table, "", done); }, milliseconds(1));
      for (const auto& [key, value] : *entries) {
        state += fmt::format("{} {} {}\n", table, ToHex(key), ToHex(value));
      }
    }
    return state;
  }

  int times_;
  GcsWorld world;
  std::optional<Observer> observer;
  rpc::ServiceTable services;
  std::optional<rpc::Client> caller;
  std::string first_answer;
  std::string last;
};

TEST(GcsTwiceTest, EveryRequestTwiceEqualsOnce) {
  const Samples samples = AllSamples();
  Played once(1);
  Played twice(2);
  const auto* file = protocol::NodeInfo::descriptor()->file();
  for (int s = 0; s < file->service_count(); ++s) {
    for (int m = 0; m < file->service(s)->method_count(); ++m) {
      const std::string& name = file->service(s)->method(m)->full_name();
      if (name == "mobula.protocol.PubSubService.Deliver") continue;  // the subscriber's handler
      ASSERT_TRUE(samples.contains(name)) << "add a sample request of " << name;
      for (const auto& [method, request] : samples.at(name)) {
        SCOPED_TRACE(name);
        once.Play(method, request);
        twice.Play(method, request);
        EXPECT_EQ(once.State(), twice.State());
        EXPECT_EQ(once.last, twice.first_answer);
        if (method.id != protocol::kDeleteValues.id) {  // it counts what this call removed
          EXPECT_EQ(twice.last, twice.first_answer);
        }
      }
    }
  }
}

}  // namespace
}  // namespace mobula::gcs
