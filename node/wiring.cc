#include "node/wiring.h"

#include "components/gcs/registration.h"
#include "components/object_store/registration.h"
#include "components/scheduler/registration.h"
#include "components/transport/registration.h"

namespace mobula::node {
namespace {

/// \return the `kind:` of a component's map, or the default when there is no map.
ConfigValue WithDefaultKind(const ConfigValue& config, std::string_view kind) {
  ConfigValue::Map map = config.map() != nullptr ? *config.map() : ConfigValue::Map();
  map.try_emplace("kind", ConfigValue(std::string(kind)));
  return ConfigValue(std::move(map), config.line());
}

std::string KindOf(const ConfigValue& config) {
  const auto it = config.map()->find("kind");
  return it->second.scalar() != nullptr ? *it->second.scalar() : std::string();
}

}  // namespace

Transport* Transports::For(std::string_view endpoint) const {
  if (endpoint.starts_with("tcp://")) return tcp.get();
  if (endpoint.starts_with("unix://")) return local.get();
  return nullptr;
}

Result<Transports> MakeTransports(RealEventLoop& loop, const ConfigValue& config,
                                  const Random& random,
                                  std::shared_ptr<HandshakeConfig> handshake) {
  Registry<TransportMaker> kinds("transport");
  RegisterTransports(kinds);
  const TransportDeps deps{loop, random.Fork("transport"), kinds};
  Transports made;
  Result<std::unique_ptr<Transport>> tcp = MakeTransport(WithDefaultKind(config, "tcp"), deps);
  if (!tcp) return Fail(std::move(tcp.error()));
  Result<std::unique_ptr<Transport>> local =
      MakeTransport(WithDefaultKind(ConfigValue(), "unix"), deps);
  if (!local) return Fail(std::move(local.error()));
  made.tcp_below = std::move(*tcp);
  made.unix_below = std::move(*local);
  made.tcp = MakeAuthenticatedTransport(*made.tcp_below, loop, random.Fork("tcp"), handshake);
  made.local = MakeAuthenticatedTransport(*made.unix_below, loop, random.Fork("unix"), handshake);
  return made;
}

Result<std::unique_ptr<ObjectStore>> MakeStore(const ConfigValue& config) {
  ObjectStoreKinds kinds;
  RegisterObjectStores(kinds);
  const ConfigValue with_kind = WithDefaultKind(config, "shared_memory");
  ConfigReader reader(with_kind, "object_store");
  return MakeObjectStore(reader, kinds);
}

Result<std::unique_ptr<Scheduler>> MakeScheduler(const ConfigValue& config, NodeView local,
                                                 const Random& random) {
  Registry<PolicyMaker> policies("scheduling policy");
  RegisterPolicies(policies);
  Registry<SchedulerMaker> schedulers("scheduler");
  RegisterSchedulers(schedulers);
  const ConfigValue with_kind = WithDefaultKind(config, "distributed");
  Result<const SchedulerMaker*> maker = schedulers.Find(KindOf(with_kind));
  if (!maker) return Fail(std::move(maker.error()));
  return (**maker)(with_kind, std::move(local), policies, random);
}

Result<std::unique_ptr<gcs::Storage>> MakeStorage(EventLoop& loop, const ConfigValue& config) {
  const Registry<gcs::StorageMaker> kinds = gcs::BuiltInStorages();
  return gcs::MakeStorage(WithDefaultKind(config, "memory"),
                          {.loop = loop, .random = Random(0).Fork("storage"), .registry = kinds});
}

}  // namespace mobula::node
