/// \file
/// \brief Where implementations meet: all components' kinds, and what YAML picks of them.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "components/base/config_value.h"
#include "components/base/real/event_loop.h"
#include "components/gcs/storage.h"
#include "components/transport/handshake.h"
#include "components/transport/transport.h"
#include "node/config.h"

namespace mobula::node {

/// The transports of one process, each behind the handshake, chosen by an endpoint's scheme.
struct Transports {
  struct Kind {
    std::unique_ptr<transport::Transport> below;  ///< Without handshake; TLS goes between.
    std::unique_ptr<transport::Transport> whole;
  };
  std::vector<Kind> kinds;                 ///< Each serves another scheme.
  transport::Transport* remote = nullptr;  ///< What `transport:` describes.
  transport::Transport* local = nullptr;   ///< What `local_transport:` describes.
  /// \return null for an unknown scheme.
  [[nodiscard]] transport::Transport* For(std::string_view endpoint) const;
};

/// \return the two transports that `config` describes, and a plain one of each other scheme, so
///         that whatever a peer listens at can be reached. Errors name the section and the key:
///         kInvalidArgument also if `transport:` names a kind that reaches no other hosts.
[[nodiscard]] Result<Transports> MakeTransports(
    RealEventLoop& loop, const TransportConfig& config, const Random& random,
    std::shared_ptr<transport::HandshakeConfig> handshake);
/// \return kInvalidArgument if workers of this kind cannot reach what `local` listens at, as they
///         are processes of their own.
[[nodiscard]] Result<void> CheckReach(const transport::Transport& local,
                                      std::string_view worker_kind);
/// \return where a raylet listens for the processes of its node. \param folder a file of a kind
///         that has one lies there. \param address for kinds that have none.
[[nodiscard]] std::string LocalListenEndpoint(const transport::Transport& local,
                                              std::string_view folder, std::string_view address);

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
