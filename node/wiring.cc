#include "node/wiring.h"

#include <array>
#include <utility>

#include "components/gcs/registration.h"
#include "components/object_store/registration.h"
#include "components/scheduler/registration.h"
#include "components/transport/registration.h"

namespace mobula::node {
namespace {

/// The endpoint scheme of each kind that can be named for processes of one node.
constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kSchemes = {
    {{"tcp", "tcp"}, {"unix", "unix"}, {"shared_memory", "shm+unix"}}};

/// \return `config` with a kind, `kind` unless it names one.
ConfigValue WithKind(const ConfigValue& config, std::string_view kind) {
  if (config.map() == nullptr && !config.IsNull()) return config;  // whoever reads it says so
  ConfigValue::Map map = config.IsNull() ? ConfigValue::Map() : *config.map();
  map.try_emplace("kind", std::string(kind));
  return ConfigValue(std::move(map), config.line());
}

}  // namespace

transport::Transport* Transports::For(std::string_view endpoint) const {
  for (const Kind& kind : kinds) {
    if (endpoint.substr(0, endpoint.find("://")) == kind.scheme) return kind.whole.get();
  }
  return nullptr;
}

std::string LocalScheme(const ConfigValue& local) {
  ConfigReader reader(local, "local_transport");
  if (reader.Has("inner")) return LocalScheme(reader.Child("inner"));
  const std::string kind = reader.Text("kind", "shared_memory");
  for (const auto& [name, scheme] : kSchemes) {
    if (name == kind) return std::string(scheme);
  }
  return "shm+unix";
}

Result<Transports> MakeTransports(RealEventLoop& loop, const TransportConfig& config,
                                  const Random& random,
                                  std::shared_ptr<transport::HandshakeConfig> handshake) {
  Registry<transport::TransportMaker> kinds("transport");
  transport::RegisterTransports(kinds);
  const transport::TransportDeps deps{loop, random.Fork("transport"), kinds};
  Transports made;
  const std::string local_scheme = LocalScheme(config.local);
  for (const auto& [kind, scheme] : kSchemes) {
    const bool is_local = scheme == local_scheme && scheme != "tcp";  // one tcp for both
    const ConfigValue section = is_local        ? config.local
                                : kind == "tcp" ? config.remote
                                                : ConfigValue();
    Result<std::unique_ptr<transport::Transport>> below =
        transport::MakeTransport(WithKind(section, kind), deps);
    if (!below) {
      return Fail(std::move(below.error()).Context(is_local ? "local_transport" : "transport"));
    }
    auto whole =
        transport::MakeAuthenticatedTransport(**below, loop, random.Fork(scheme), handshake);
    made.kinds.push_back({std::string(scheme), std::move(*below), std::move(whole)});
  }
  return made;
}

Result<StoreParts> MakeStore(const ConfigValue& config) {
  const Kinds<object_store::EvictionPolicy> evictions = object_store::BuiltInEvictionPolicies();
  ConfigReader reader(config, "object_store");
  StoreParts parts{
      {}, object_store::ReadCreateQueueOptions(reader), object_store::ReadPullOptions(reader)};
  Result<std::unique_ptr<object_store::ObjectStore>> store =
      object_store::BuiltInStores().Make(reader, "shared_memory", {.evictions = evictions});
  if (!store) return Fail(std::move(store.error()));
  parts.store = std::move(*store);
  return parts;
}

Result<std::unique_ptr<scheduler::Scheduler>> MakeScheduler(const ConfigValue& config,
                                                            scheduler::NodeView local,
                                                            const Random& random) {
  Registry<scheduler::PolicyMaker> policies("scheduling policy");
  scheduler::RegisterPolicies(policies);
  Registry<scheduler::SchedulerMaker> schedulers("scheduler");
  scheduler::RegisterSchedulers(schedulers);
  const std::string kind = ConfigReader(config, "scheduler").Text("kind", "distributed");
  Result<const scheduler::SchedulerMaker*> maker = schedulers.Find(kind);
  if (!maker) return Fail(std::move(maker.error()));
  return (**maker)(config, std::move(local), policies, random);
}

Result<std::unique_ptr<gcs::Storage>> MakeStorage(const ConfigValue& config,
                                                  const StorageSeams& seams) {
  const Kinds<gcs::Storage> kinds = gcs::BuiltInStorages();
  return kinds.Make(config, "gcs.storage", gcs::kUsualStorage,
                    {.loop = seams.loop,
                     .random = Random(0).Fork("storage"),
                     .files = seams.files,
                     .folder = seams.folder,
                     .writer = seams.writer,
                     .kinds = kinds});
}

}  // namespace mobula::node
