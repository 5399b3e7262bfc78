#include "node/wiring.h"

#include <utility>

#include "components/gcs/registration.h"
#include "components/transport/registration.h"

namespace mobula::node {
namespace {

using transport::Transport;
using Reach = transport::TransportAbilities::Reach;

}  // namespace

Transport* Transports::For(std::string_view endpoint) const {
  for (const Kind& kind : kinds) {
    if (endpoint.substr(0, endpoint.find("://")) == kind.whole->Scheme()) return kind.whole.get();
  }
  return nullptr;
}

Result<Transports> MakeTransports(RealEventLoop& loop, const TransportConfig& config,
                                  const Random& random,
                                  std::shared_ptr<transport::HandshakeConfig> handshake) {
  const Kinds<Transport> known = transport::BuiltInTransports();
  const Transport::Context between_nodes{loop, loop, random.Fork("transport"), known, "tcp"};
  Transport::Context within_node = between_nodes;
  within_node.usual_kind = "shared_memory";
  Transports made;
  // Of two transports with one scheme the first is used: both sections may say tcp.
  const auto add = [&](std::unique_ptr<Transport> below) {
    if (Transport* const other = made.For(below->Scheme())) return other;
    auto whole = transport::MakeAuthenticatedTransport(*below, loop, random.Fork(below->Scheme()),
                                                       handshake);
    made.kinds.push_back({std::move(below), std::move(whole)});
    return made.kinds.back().whole.get();
  };
  Result<std::unique_ptr<Transport>> remote =
      known.Make(config.remote, "transport", between_nodes.usual_kind, between_nodes);
  if (!remote) return Fail(std::move(remote.error()));
  // Owners, raylets and the head of other machines come over this one.
  if ((*remote)->Abilities().reach != Reach::kOtherHosts) {
    return Fail(ErrorCode::kInvalidArgument,
                "transport: its kind serves {}:// endpoints, which other hosts cannot reach; "
                "choose tcp, or put it into local_transport",
                (*remote)->Scheme());
  }
  made.remote = add(std::move(*remote));
  Result<std::unique_ptr<Transport>> local =
      known.Make(config.local, "local_transport", within_node.usual_kind, within_node);
  if (!local) return Fail(std::move(local.error()));
  made.local = add(std::move(*local));
  // Peers say where they listen, and may have been told another kind. Whatever scheme they name
  // must be understood here.
  for (const std::string& name : known.Names()) {
    ConfigValue::Map plain;
    plain.emplace("kind", ConfigValue(name));
    // A kind that cannot do without keys is there only for those who configure it.
    auto other = known.Make(ConfigValue(std::move(plain)), "transport", name, between_nodes);
    if (other) add(std::move(*other));
  }
  return made;
}

Result<void> CheckReach(const Transport& local, std::string_view worker_kind) {
  // A transport through memory of one process serves workers that are threads of it, and no others.
  if (local.Abilities().reach != Reach::kProcess || worker_kind == "thread") return {};
  return Fail(
      ErrorCode::kInvalidArgument,
      "local_transport: its kind serves {}:// endpoints, which stay inside one process, and "
      "workers.kind '{}' starts processes; choose workers: {{kind: thread}}, or another "
      "kind of local_transport",
      local.Scheme(), worker_kind);
}

std::string LocalListenEndpoint(const Transport& local, std::string_view folder,
                                std::string_view address) {
  // Over the network the system chooses a free port; a socket file lies in the session, where only
  // this user may look.
  if (local.Abilities().reach == Reach::kOtherHosts) {
    return fmt::format("{}://{}:0", local.Scheme(), address);
  }
  return fmt::format("{}://{}/raylet.sock", local.Scheme(), folder);
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
