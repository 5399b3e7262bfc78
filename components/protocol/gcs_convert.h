/// \file
/// \edge
/// \brief Between the messages of gcs.proto and the vocabulary of base.
///
/// Protobuf maps have no order of their own; everything here that iterates or prints goes by name,
/// so that two runs with one seed store and log the same bytes.
#pragma once

#include <google/protobuf/message_lite.h>

#include <map>
#include <string>

#include "components/base/event_loop.h"
#include "components/base/ids.h"
#include "components/base/resources.h"
#include "components/protocol/gcs.pb.h"

namespace mobula::protocol {

[[nodiscard]] Resources ToProto(const ResourceSet& resources);
[[nodiscard]] ResourceSet FromProto(const Resources& resources);

/// \return the labels by name.
[[nodiscard]] std::map<std::string, std::string> LabelsOf(const NodeInfo& node);
/// \return nil if the record's id has not the right size.
[[nodiscard]] NodeId IdOf(const NodeInfo& node);
[[nodiscard]] JobId IdOf(const JobInfo& job);
/// \return true unless the GCS has declared it dead.
[[nodiscard]] bool IsAlive(const NodeInfo& node);
/// \return true for "RUNNING".
[[nodiscard]] bool IsRunning(const JobInfo& job);

/// \return `time` as records have it.
[[nodiscard]] std::int64_t Milliseconds(Duration time);

/// \return the message as bytes with its maps by key: equal messages, equal bytes.
[[nodiscard]] std::string Serialize(const google::protobuf::MessageLite& message);
/// \return true if the two say the same but for `version`.
[[nodiscard]] bool SameFacts(const NodeInfo& a, const NodeInfo& b);

}  // namespace mobula::protocol
