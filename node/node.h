/// \file
/// \brief One real node: an assembly of raylet and services, with a session, on one loop thread.
///
/// `node --config FILE`, a local cluster inside a driver, and the embedded mode are all this class
/// with another `NodeConfig`.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "components/base/event_log.h"
#include "components/raylet/assembly/node_assembly.h"
#include "components/transport/handshake.h"
#include "node/config.h"

namespace mobula::node {

/// Where a started node can be reached.
struct NodeEndpoints {
  std::string head_address;    ///< "host:port" of the cluster's GCS.
  std::string endpoint;        ///< tcp endpoint of its raylet.
  std::string local_endpoint;  ///< For processes of its host.
  std::string node_address;
  std::string folder;  ///< Its session.
  NodeId node_id;
};

/// Threads: made, started and stopped by one thread; its work is on its own loop thread.
/// Lifetime: destruction stops it.
class Node {
 public:
  /// \param token of the cluster. \param log_sink null: logs/node.log of its session.
  Node(NodeConfig config, transport::Token token, LogSink log_sink);
  ~Node();

  /// Blocks until the node has joined, at most `kStartMax`; a worker whose head does not answer
  /// gives up after that with kUnavailable and the address. kAlreadyExists: the port is in use.
  [[nodiscard]] Result<NodeEndpoints> Start();
  /// Runs on the loop if the node must end: fenced, the head is gone for good, or a service of the
  /// head failed (the GCS: its storage). At once if that has happened already. \pre it has started.
  void OnMustExit(std::function<void(const Error&)> callback);
  /// Leaves the cluster, ends workers, removes sockets. Twice is harmless.
  void Stop(std::string reason);
  /// \pre it has started.
  [[nodiscard]] raylet::Raylet::Census Count();

  static constexpr Duration kStartMax = std::chrono::seconds(10);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mobula::node
