/// \file
/// \edge
/// \brief Folders and records of the nodes that this user runs on this host.
///
///     /tmp/mobula-UID/                 mode 0700
///       n-1a2b3c4d/                    one node
///         raylet.sock, *.sock          of the raylet and its processes
///         record.yaml                  pid, start time, endpoints: how `stop` and drivers find it
///         logs/                        of the node and its workers; kept after the node has ended
///         programs/                    fetched by hash
///
/// The token, unless told otherwise, is one a user: ~/.mobula/token, mode 0600.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "components/base/file_system.h"
#include "components/base/result.h"
#include "components/transport/handshake.h"

namespace mobula::node {

/// One running node, as its record tells.
struct NodeRecord {
  std::string folder;
  std::int64_t pid = 0;
  std::int64_t pid_start = 0;  ///< Of the process, in clock ticks since boot: a reused pid differs.
  bool is_head = false;
  bool is_background = false;  ///< Started by `mobula start`.
  std::string head_address;    ///< "host:port" of its GCS; empty: not up, or a program's own.
  std::string node_id;
  std::string token_file;  ///< As its configuration says; empty: the usual places.
};

/// \return /tmp/mobula-UID, or $MOBULA_SESSIONS.
[[nodiscard]] std::string SessionsFolder();
/// Makes the folder of a new node of this process, with a record that keeps it from being swept.
/// Folders of nodes that ended lose all but their logs; beyond the newest 20 they are removed.
[[nodiscard]] Result<std::string> MakeSession(FileSystem& files, std::string_view id);
[[nodiscard]] Result<void> WriteRecord(FileSystem& files, const NodeRecord& record);
/// \return records whose process is alive and that name a head; those of dead processes are
///         removed with their sockets.
[[nodiscard]] std::vector<NodeRecord> LiveRecords(FileSystem& files);
/// Removes what must not outlive the node: sockets, record, programs. Logs stay.
void EndSession(FileSystem& files, const std::string& folder);

/// \return when `pid` was started; 0 if there is no such process.
[[nodiscard]] std::int64_t ProcessStart(std::int64_t pid);

/// Finds the cluster's token: `file` if not empty, $MOBULA_TOKEN, $MOBULA_TOKEN_FILE,
/// ~/.mobula/token. kNotFound with what to do; kPermissionDenied if others can read the file.
[[nodiscard]] Result<transport::Token> FindToken(FileSystem& files, const std::string& file);
/// As `FindToken`, and mints one if there is none: 32 random bytes in hex, mode 0600.
[[nodiscard]] Result<transport::Token> FindOrMintToken(FileSystem& files, const std::string& file);
/// \return the path that `FindToken` would use for a file.
[[nodiscard]] std::string TokenPath(const std::string& file);

}  // namespace mobula::node
