/// \file
/// \edge
/// \brief What a raylet is told of its node, and its bounds and times.
#pragma once

#include <map>
#include <string>

#include "components/base/resources.h"
#include "components/object_store/create_queue.h"
#include "components/object_store/transfer/pull_manager.h"

namespace mobula::raylet {

/// Named bounds and times. YAML: `node:`, `workers:`, `object_store:`.
struct RayletConfig {
  NodeId node_id;
  bool is_head = false;
  ResourceSet resources;
  std::map<std::string, std::string> labels;
  std::string listen_endpoint;        ///< "tcp://127.0.0.1:0"; others reach this node there.
  std::string local_listen_endpoint;  ///< "shm+unix:///…/raylet.sock".
  std::string host_name;
  std::string log_folder;      ///< Worker logs; empty: none kept.
  std::string program_folder;  ///< Programs fetched by hash.
  std::int64_t pid = 0;
  std::string process_settings;      ///< For drivers that join here; the node knows what it means.
  std::size_t prestart_workers = 0;  ///< Per job; 0: one per CPU.
  std::size_t workers_max = 1000;    ///< Processes alive at once, blocked ones included.
  Duration worker_idle_max = std::chrono::seconds(10);  ///< Beyond the prestarted number.
  Duration worker_start_timeout = std::chrono::seconds(30);
  Duration infeasible_grace = std::chrono::seconds(5);  ///< Time for a big node to join.
  std::uint64_t inline_bytes_max = 100 * 1024;
  Duration lease_share = std::chrono::milliseconds(5);    ///< A busy lease is left alone that long.
  Duration lease_orphan_grace = std::chrono::seconds(5);  ///< For an owner that lost connection.
  object_store::CreateQueueOptions creates;
  object_store::PullOptions pulls;
};

}  // namespace mobula::raylet
