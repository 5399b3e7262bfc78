// \edge: a raylet's conversation with the GCS; membership.h tells it
#include "components/raylet/membership.h"

#include <algorithm>

#include "components/protocol/convert.h"
#include "components/protocol/gcs_convert.h"

namespace mobula::raylet {
namespace {

constexpr Duration kReportDelay = std::chrono::milliseconds(20);
constexpr Duration kLeaveMax = std::chrono::seconds(1);

}  // namespace

Membership::Membership(const Deps& deps, Hooks hooks)
    : deps_(deps),
      hooks_(std::move(hooks)),
      heartbeat_timer_(deps_.loop),
      report_timer_(deps_.loop) {}

void Membership::Join(protocol::NodeInfo self, Done<void> joined) {
  self_ = std::move(self);
  // A lost connection is made again by the client, and the node goes on meanwhile: its workers need
  // no GCS for the tasks that they have. Only a GCS that stays away ends the node.
  deps_.gcs.OnLost(alive_.Bind([this](const Error& why) {
    deps_.log.Error("node", "head_lost", "reason=\"{}\"", why.message());
  }));
  deps_.gcs.OnGone(alive_.Bind(
      [this](const Error& why) { hooks_.on_must_exit(Error(why).Context("the head is lost")); }));
  deps_.gcs.RegisterNode(
      self_,
      alive_.Bind(
          [this, joined = std::move(joined)](Result<protocol::RegisterNodeReply> reply) mutable {
            if (!reply)
              return joined(Fail(std::move(reply.error()).Context("joining the cluster")));
            OnRegistered(*reply);
            joined({});
          }),
      // The GCS has told the others that this node is dead, so they have taken its leases and its
      // objects for lost. If it went on, two workers might run what was to run once.
      alive_.Bind([this] {
        hooks_.on_must_exit(
            Error(ErrorCode::kNodeDied, "the head has declared this node dead; it must not act"));
      }));
}

void Membership::OnRegistered(const protocol::RegisterNodeReply& reply) {
  has_joined_ = true;
  heartbeat_period_ = std::chrono::milliseconds(reply.heartbeat_period_ms());
  heartbeat_timer_.Set(heartbeat_period_, [this] { SendHeartbeats(); });
  // From here on the GCS tells what happens elsewhere, and first what has happened so far.
  gcs::Subscription news;
  news.on_node = alive_.Bind([this](const protocol::NodeInfo& node) { OnNode(node); });
  news.on_worker_death =
      alive_.Bind([this](const protocol::WorkerDeath& death) { hooks_.on_owner_died(death); });
  news.on_job = alive_.Bind([this](const protocol::JobInfo& job) {
    if (job.state() != "RUNNING") hooks_.on_job_ended(protocol::IdOf(job));
  });
  deps_.gcs.Subscribe({protocol::NODES, protocol::WORKERS, protocol::JOBS}, std::move(news),
                      [](const Result<protocol::SubscribeReply>&) {});
  deps_.log.Info("node", "joined", "node={} endpoint={} resources={}",
                 protocol::IdOf(self_).Short(), self_.endpoint(),
                 protocol::FromProto(self_.total()).ToString());
}

// The GCS takes long silence for death, so an idle node says again and again that it lives.
void Membership::SendHeartbeats() {
  deps_.gcs.Heartbeat(nullptr);
  heartbeat_timer_.Set(heartbeat_period_, [this] { SendHeartbeats(); });
}

void Membership::ReportSoon() {
  // One report takes along every change that is made before it is sent.
  if (!has_joined_ || report_timer_.IsSet()) return;
  report_timer_.Set(kReportDelay, [this] {
    hooks_.fill_report(self_);
    self_.set_version(self_.version() + 1);
    deps_.gcs.Heartbeat(&self_);
  });
}

void Membership::OnNode(const protocol::NodeInfo& node) {
  const NodeId id = protocol::IdOf(node);
  // What the GCS says of this node is what we have told it; our own books are newer.
  if (node.node_id() == self_.node_id()) return;
  if (!protocol::IsAlive(node)) return OnNodeDied(id, node.death_reason());
  endpoints_[id] = node.endpoint();
  hooks_.on_node(node);
}

void Membership::OnNodeDied(const NodeId& node, const std::string& reason) {
  if (const auto it = endpoints_.find(node); it != endpoints_.end()) {
    deps_.log.Info("node", "died", "node={} reason=\"{}\"", node.Short(), reason);
    // Calls to it fail now. Without this they would wait for a connection that never comes.
    deps_.peers.Drop(it->second);
    endpoints_.erase(it);
  }
  hooks_.on_node_died(node, reason);
}

std::string Membership::EndpointOf(const NodeId& node) const {
  const auto it = endpoints_.find(node);
  return it == endpoints_.end() ? std::string() : it->second;
}

bool Membership::IsMember(const std::string& endpoint) const {
  return std::ranges::any_of(endpoints_, [&](const auto& node) { return node.second == endpoint; });
}

void Membership::Leave(std::string reason, std::move_only_function<void()> done) {
  // Whichever comes first ends the wait: the answer, or the timer. A node that leaves has nothing
  // more to report, so the report's timer is free for this.
  auto once = std::make_shared<std::move_only_function<void()>>(std::move(done));
  auto finish = alive_.Bind([this, once] {
    report_timer_.Cancel();
    if (*once) std::exchange(*once, nullptr)();
  });
  deps_.gcs.LeaveNode(std::move(reason), [finish](const auto&) { finish(); });
  report_timer_.Set(kLeaveMax, finish);
}

// The callbacks go first, so news that is under way reaches nobody.
void Membership::Stop() {
  alive_.End();
  has_joined_ = false;
  heartbeat_timer_.Cancel();
  report_timer_.Cancel();
}

}  // namespace mobula::raylet
