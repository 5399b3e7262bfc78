#include "node/wiring.h"

#include "components/gcs/registration.h"
#include "components/object_store/registration.h"
#include "components/scheduler/registration.h"
#include "components/transport/registration.h"

namespace mobula::node {
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
  Result<std::unique_ptr<Transport>> tcp = MakeTransport(config, deps);
  if (!tcp) return Fail(std::move(tcp.error()));
  Result<std::unique_ptr<Transport>> local =
      MakeTransport(ConfigValue(ConfigValue::Map{{"kind", ConfigValue("unix")}}), deps);
  if (!local) return Fail(std::move(local.error()));
  made.tcp_below = std::move(*tcp);
  made.unix_below = std::move(*local);
  made.tcp = MakeAuthenticatedTransport(*made.tcp_below, loop, random.Fork("tcp"), handshake);
  made.local = MakeAuthenticatedTransport(*made.unix_below, loop, random.Fork("unix"), handshake);
  return made;
}

Result<StoreParts> MakeStore(const ConfigValue& config) {
  ObjectStoreKinds kinds;
  RegisterObjectStores(kinds);
  ConfigReader reader(config, "object_store");
  StoreParts parts{{}, ReadCreateQueueOptions(reader), ReadPullOptions(reader)};
  Result<std::unique_ptr<ObjectStore>> store = MakeObjectStore(reader, kinds);
  if (!store) return Fail(std::move(store.error()));
  parts.store = std::move(*store);
  return parts;
}

Result<std::unique_ptr<Scheduler>> MakeScheduler(const ConfigValue& config, NodeView local,
                                                 const Random& random) {
  Registry<PolicyMaker> policies("scheduling policy");
  RegisterPolicies(policies);
  Registry<SchedulerMaker> schedulers("scheduler");
  RegisterSchedulers(schedulers);
  const std::string kind = ConfigReader(config, "scheduler").Text("kind", "distributed");
  Result<const SchedulerMaker*> maker = schedulers.Find(kind);
  if (!maker) return Fail(std::move(maker.error()));
  return (**maker)(config, std::move(local), policies, random);
}

Result<std::unique_ptr<gcs::Storage>> MakeStorage(EventLoop& loop, const ConfigValue& config) {
  const Registry<gcs::StorageMaker> kinds = gcs::BuiltInStorages();
  return gcs::MakeStorage(config,
                          {.loop = loop, .random = Random(0).Fork("storage"), .registry = kinds});
}

}  // namespace mobula::node
