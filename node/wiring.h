/// \file
/// \brief Where implementations meet: the lists of all components' kinds, and what YAML picks of them.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "components/base/config_value.h"
#include "components/base/real/event_loop.h"
#include "components/gcs/storage.h"
#include "components/object_store/create_queue.h"
#include "components/object_store/transfer/pull_manager.h"
#include "components/scheduler/scheduler.h"
#include "components/transport/handshake.h"
#include "components/transport/transport.h"
#include "node/config.h"

namespace mobula::node {

/// The transports of one process, each behind the handshake, chosen by an endpoint's scheme.
struct Transports {
  struct Kind {
    std::string scheme;                           ///< "tcp", "unix", "shm+unix".
    std::unique_ptr<transport::Transport> below;  ///< Without handshake; TLS goes between.
    std::unique_ptr<transport::Transport> whole;
  };
  std::vector<Kind> kinds;
  /// \return null for an unknown scheme.
  [[nodiscard]] transport::Transport* For(std::string_view endpoint) const;
};

/// \return the scheme of the endpoints that `local_transport:` listens at: that of its kind, or of
///         what that wraps. "shm+unix" unless it says unix or tcp.
[[nodiscard]] std::string LocalScheme(const ConfigValue& local);
/// \return a transport of each scheme. Errors name the section and the key.
[[nodiscard]] Result<Transports> MakeTransports(
    RealEventLoop& loop, const TransportConfig& config, const Random& random,
    std::shared_ptr<transport::HandshakeConfig> handshake);

/// What `object_store:` describes: the store, and the bounds of those who wait for it.
struct StoreParts {
  std::unique_ptr<object_store::ObjectStore> store;
  object_store::CreateQueueOptions creates;
  object_store::PullOptions pulls;
};
[[nodiscard]] Result<StoreParts> MakeStore(const ConfigValue& config);
[[nodiscard]] Result<std::unique_ptr<scheduler::Scheduler>> MakeScheduler(const ConfigValue& config,
                                                                          scheduler::NodeView local,
                                                                          const Random& random);
/// What a storage of the GCS stands on, beside its keys. All of it outlives the storage.
struct StorageSeams {
  EventLoop& loop;
  FileSystem& files;
  BackgroundThread& writer;
  std::string folder;  ///< Of this node, and gone with it.
};
[[nodiscard]] Result<std::unique_ptr<gcs::Storage>> MakeStorage(const ConfigValue& config,
                                                                const StorageSeams& seams);

}  // namespace mobula::node
