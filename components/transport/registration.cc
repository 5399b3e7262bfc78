#include "components/transport/registration.h"

#include "components/base/real/event_loop.h"
#include "components/transport/faulty/faulty_transport.h"
#include "components/transport/inprocess/inprocess_transport.h"
#include "components/transport/shared_memory/shared_memory_transport.h"
#include "components/transport/tcp/tcp_transport.h"
#include "components/transport/unix/unix_transport.h"

namespace mobula::transport {
namespace {

using Made = Result<std::unique_ptr<Transport>>;

/// \return a maker of a kind that has no keys but its `kind`.
TransportMaker Plain(std::unique_ptr<Transport> (*make)(RealEventLoop&)) {
  return [make](const ConfigValue& config, const TransportDeps& deps) -> Made {
    ConfigReader reader(config, "transport");
    (void)reader.Text("kind", "");
    if (auto read = reader.Finish(); !read) return Fail(std::move(read.error()));
    return make(deps.loop);
  };
}

FaultRule ReadRule(ConfigReader& reader) {
  FaultRule rule;
  const std::string direction = reader.Text("direction", "send");
  const std::string effect = reader.Text("effect", "cut");
  const std::string frame = reader.Text("frame", "any");
  if (direction != "send" && direction != "receive") {
    reader.Reject("direction", "is send or receive");
  }
  if (effect != "cut" && effect != "delay") reader.Reject("effect", "is cut or delay");
  if (direction == "receive") rule.direction = FaultRule::Direction::kReceive;
  if (effect == "delay") rule.effect = FaultRule::Effect::kDelay;
  if (frame == "request") rule.kind = FrameKind::kRequest;
  if (frame == "reply") rule.kind = FrameKind::kReply;
  if (frame == "notify") rule.kind = FrameKind::kNotify;
  if (!rule.kind && frame != "any") reader.Reject("frame", "is any, request, reply or notify");
  if (reader.Has("method")) rule.method = reader.Integer("method", 0U, 0, UINT32_MAX);
  rule.at_frame = reader.Integer("at_frame", rule.at_frame, 0, INT64_MAX);
  rule.probability = reader.Number("probability", 1, 0, 1);
  if (reader.Has("times")) rule.times_max = reader.Integer("times", std::uint64_t{1}, 0, INT64_MAX);
  rule.delay = reader.Time("delay", {});
  return rule;
}

Made MakeFaulty(const ConfigValue& config, const TransportDeps& deps) {
  ConfigReader reader(config, "transport");
  (void)reader.Text("kind", "");
  auto plan = std::make_shared<FaultPlan>();
  plan->refuse_connects = reader.Number("refuse_connects", 0, 0, 1);
  const ConfigValue& inner_config = reader.Child("inner");
  const ConfigValue& rules = reader.Child("rules");
  if (auto read = reader.Finish(); !read) return Fail(std::move(read.error()));
  for (const ConfigValue& rule : rules.list() != nullptr ? *rules.list() : ConfigValue::List()) {
    ConfigReader rule_reader(rule, "transport.rules");
    plan->rules.push_back(ReadRule(rule_reader));
    if (auto read = rule_reader.Finish(); !read) return Fail(std::move(read.error()));
  }
  auto inner = MakeTransport(inner_config, deps);
  if (!inner) return Fail(std::move(inner.error()));
  return MakeFaultyTransport(std::move(*inner), deps.loop, deps.random.Fork("faulty"),
                             std::move(plan));
}

}  // namespace

void RegisterTransports(Registry<TransportMaker>& kinds) {
  kinds.Add("tcp", Plain(MakeTcpTransport));
  kinds.Add("unix", Plain(MakeUnixTransport));
  kinds.Add("shared_memory", Plain(MakeSharedMemoryTransport));
  kinds.Add("inprocess", Plain([](RealEventLoop& loop) -> std::unique_ptr<Transport> {
              return MakeInprocessTransport(loop);
            }));
  kinds.Add("faulty", MakeFaulty);
}

Result<std::unique_ptr<Transport>> MakeTransport(const ConfigValue& config,
                                                 const TransportDeps& deps) {
  ConfigReader reader(config, "transport");
  auto maker = deps.kinds.Find(reader.Text("kind", "tcp"));
  if (!maker) return Fail(std::move(maker.error()));
  return (**maker)(config, deps);
}

}  // namespace mobula::transport
