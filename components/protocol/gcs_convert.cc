#include "components/protocol/gcs_convert.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

namespace mobula::protocol {

Resources ToProto(const ResourceSet& resources) {
  Resources proto;
  for (const auto& [name, amount] : resources.entries()) {
    (*proto.mutable_units())[name] = amount.units();
  }
  return proto;
}

ResourceSet FromProto(const Resources& resources) {
  ResourceSet set;
  for (const auto& [name, units] : resources.units()) set.Set(name, Amount::FromUnits(units));
  return set;
}

std::map<std::string, std::string> LabelsOf(const NodeInfo& node) {
  return {node.labels().begin(), node.labels().end()};
}

NodeId IdOf(const NodeInfo& node) { return NodeId::FromBinaryOrNil(node.node_id()); }
JobId IdOf(const JobInfo& job) { return JobId::FromBinaryOrNil(job.job_id()); }
bool IsAlive(const NodeInfo& node) { return node.state() != DEAD; }
bool IsRunning(const JobInfo& job) { return job.state() == "RUNNING"; }

std::int64_t Milliseconds(Duration time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
}

std::string Serialize(const google::protobuf::MessageLite& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

bool SameFacts(const NodeInfo& a, const NodeInfo& b) {
  NodeInfo same_version = b;
  same_version.set_version(a.version());
  return Serialize(a) == Serialize(same_version);
}

}  // namespace mobula::protocol
