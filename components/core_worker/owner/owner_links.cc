#include "components/core_worker/owner/owner_links.h"

#include "components/core_worker/owner/send_in_parts.h"
#include "components/protocol/convert.h"
#include "components/protocol/owner_methods.h"
#include "components/protocol/raylet_methods.h"

namespace mobula::core_worker {
namespace {

constexpr Duration kReconnectDelay = std::chrono::milliseconds(200);

Error OwnerLost(ErrorCode code, const ObjectId& id, const protocol::Address& owner,
                std::string_view why) {
  return {code, fmt::format("the owner of object {} {} (worker {}, pid {}, node {}): {}",
                            id.Short(), code == ErrorCode::kOwnerDied ? "is gone" : "is away",
                            WorkerId::FromBinaryOrNil(owner.worker_id()).Short(), owner.pid(),
                            NodeId::FromBinaryOrNil(owner.node_id()).Short(), why)};
}

}  // namespace

OwnerLinks::OwnerLinks(Deps deps, Config config, Hooks hooks)
    : deps_(deps), config_(config), hooks_(std::move(hooks)) {}

// ---- what there is to tell ----

void OwnerLinks::AddBorrow(const ObjectId& id, const OwnerPtr& owner) {
  Link& link = LinkTo(owner);
  link.borrowed.insert(id);
  link.to_remove.erase(id);   // held again before the owner was told
  link.to_add.push_back(id);  // sent at the end of the turn, or by `AfterAcknowledged`
  ScheduleFlush();
}

void OwnerLinks::RemoveBorrow(const ObjectId& id, const OwnerPtr& owner) {
  const auto link = links_.find(owner->address);
  if (link == links_.end() || link->second.borrowed.erase(id) == 0) return;
  link->second.to_remove.insert(id);
  ScheduleFlush();
}

void OwnerLinks::AskFor(const ObjectId& id, const OwnerPtr& owner) {
  LinkTo(owner).to_ask.push_back(id);
  ScheduleFlush();
}

void OwnerLinks::ReportMissing(const ObjectId& id, const OwnerPtr& owner,
                               std::vector<std::string> endpoints) {
  // Not batched: somebody waits for the object, and every turn counts.
  protocol::ReportCopiesRequest report;
  report.add_missing_ids(std::string(id.Binary()));
  for (std::string& endpoint : endpoints) report.add_missing_endpoints(std::move(endpoint));
  LinkTo(owner).client->Notify(protocol::kReportCopies, report);
}

void OwnerLinks::ReportCopy(const ObjectId& id, const OwnerPtr& owner, const NodeId& node,
                            const std::string& endpoint) {
  Link& link = LinkTo(owner);
  protocol::ReportCopiesRequest& report = link.report;
  const bool is_full = static_cast<std::size_t>(report.added_ids_size()) >= config_.batch_ids_max;
  if (is_full || (report.added_ids_size() > 0 && report.node().node_id() != node.Binary())) {
    link.client->Notify(protocol::kReportCopies, report);  // one message speaks of one node
    report.Clear();
  }
  report.mutable_node()->set_node_id(std::string(node.Binary()));
  report.mutable_node()->set_raylet_endpoint(endpoint);
  report.add_added_ids(std::string(id.Binary()));
  ScheduleFlush();
}

void OwnerLinks::ScheduleFlush() {
  if (std::exchange(is_flush_due_, true)) return;
  deps_.loop.Post(alive_.Bind([this] {
    is_flush_due_ = false;
    for (auto& [owner, link] : links_) Flush(link);
  }));
}

void OwnerLinks::Flush(Link& link) {
  if (!link.to_add.empty()) SendAdds(link);
  // Copies before borrows that end: the owner may forget an object with its last borrow, and would
  // not know then where to delete it.
  if (link.report.added_ids_size() > 0) {
    link.client->Notify(protocol::kReportCopies, link.report);
    link.report.Clear();
  }
  SendRemoves(link);
  if (!link.client->IsConnected()) return;  // OnConnected asks for all that is wanted
  SendInParts(protocol::WatchRequest(), std::exchange(link.to_ask, {}), config_.batch_ids_max,
              [&](const protocol::WatchRequest& request) {
                link.client->Notify(protocol::kWatch, request);
              });
}

void OwnerLinks::SendRemoves(Link& link) {
  protocol::RemoveBorrowsRequest remove;
  remove.set_borrower_id(self_.worker_id());
  SendInParts(
      std::move(remove), std::exchange(link.to_remove, {}), config_.batch_ids_max,
      [&](const protocol::RemoveBorrowsRequest& request) {
        // A call, as it is made again when its connection is lost. If it failed for good, it is
        // sent with the next flush: an owner that lives on must not keep the objects for ever.
        link.client->Call(
            protocol::kRemoveBorrows, request,
            link.alive.Bind([&link, ids = request.ids()](const Result<protocol::Ack>& reply) {
              if (reply) return;
              for (const std::string& binary : ids) {
                const ObjectId id(ObjectId::FromBinaryOrNil(binary));
                if (!link.borrowed.contains(id)) link.to_remove.insert(id);
              }
            }),
            {.timeout = config_.owner_away_max});
      });
}

// ---- registrations and the barrier ----

void OwnerLinks::AfterAcknowledged(std::move_only_function<void()> next) {
  for (auto& [owner, link] : links_) {
    if (!link.to_add.empty()) SendAdds(link);
  }
  // What is to be told now must wait for what was registered before, and for no more than that.
  if (batches_.empty()) {
    next();
  } else {
    after_.emplace_back(last_batch_, std::move(next));
  }
}

void OwnerLinks::SendAdds(Link& link) {
  protocol::AddBorrowsRequest to_owner;
  *to_owner.mutable_borrower() = self_;
  // A registration that failed is made again under its old number. Callbacks that wait for it wait
  // on, and those that were added later need not wait for it.
  const std::uint64_t failed = std::exchange(link.failed_batch, 0);
  const std::uint64_t batch = failed != 0 ? failed : ++last_batch_;
  SendInParts(std::move(to_owner), std::exchange(link.to_add, {}), config_.batch_ids_max,
              [&](const protocol::AddBorrowsRequest& request) {
                batches_.insert(batch);
                link.client->Call(protocol::kAddBorrows, request,
                                  alive_.Bind([this, batch, owner = link.owner](const auto& reply) {
                                    OnAdded(owner->address, batch, reply);
                                  }),
                                  {.timeout = config_.owner_away_max});
              });
  if (failed != 0) batches_.erase(batches_.find(failed));  // these stand for it
}

void OwnerLinks::OnAdded(const std::string& owner, std::uint64_t batch,
                         const Result<protocol::Ack>& reply) {
  const auto it = links_.find(owner);
  // Registered; or the owner was given up meanwhile, and its objects are in error.
  if (reply || it == links_.end()) return FinishBatch(batch);
  Link& link = it->second;
  if (reply.error().code() == ErrorCode::kDeadlineExceeded) {
    // Connected or not, it did not answer for `owner_away_max`.
    End(link, ErrorCode::kUnavailable, reply.error().message());
  } else if (!link.client->IsConnected()) {
    // The connection is lost: the registration is made again when the owner is reached. Of several
    // that failed only the oldest is kept, as one message will stand for all.
    if (link.failed_batch == 0) {
      link.failed_batch = batch;
      return;
    }
    if (batch < link.failed_batch) std::swap(batch, link.failed_batch);
  }
  FinishBatch(batch);
}

void OwnerLinks::FinishBatch(std::uint64_t batch) {
  batches_.erase(batches_.find(batch));
  // Batches are answered in any order; what waits for one waits for all before it too.
  const std::uint64_t oldest = batches_.empty() ? UINT64_MAX : *batches_.begin();
  while (!after_.empty() && after_.front().first < oldest) {
    auto next = std::move(after_.front().second);
    after_.pop_front();
    next();
  }
}

// ---- owners that come and go ----

OwnerLinks::Link& OwnerLinks::LinkTo(const OwnerPtr& owner) {
  const auto [it, is_new] = links_.try_emplace(owner->address);
  Link& link = it->second;
  if (is_new) {
    link.owner = owner;
    link.address.ParseFromString(owner->address);
    Connect(link);
  }
  return link;
}

// The pool's client gives up after some attempts, for all its users. Then we take another from it,
// as long as we have not given up the owner ourselves.
void OwnerLinks::Connect(Link& link) {
  link.client = deps_.peers.Get(protocol::EndpointFor(link.address, self_.node_id()));
  link.client->OnConnected(link.alive.Bind([this, &link](rpc::Peer&) { OnConnected(link); }));
  link.client->OnGone(link.alive.Bind([this, &link](const Error& why) { OnGone(link, why); }));
  link.client->Connect();
  if (link.client->IsConnected()) OnConnected(link);
}

void OwnerLinks::OnConnected(Link& link) {
  link.away_since.reset();
  // A new connection: the owner may have begun to forget us. Register and ask again for everything.
  link.to_add.assign(link.borrowed.begin(), link.borrowed.end());
  link.to_ask.clear();
  for (const ObjectId& id : link.borrowed) {
    if (hooks_.is_wanted(id)) link.to_ask.push_back(id);
  }
  ScheduleFlush();
}

// A process that cannot be reached may still be alive. Our raylet asks those who may declare it
// dead: the GCS and the raylet of its node.
void OwnerLinks::OnGone(Link& link, const Error& reason) {
  if (!link.away_since) link.away_since = deps_.loop.Now();
  protocol::DescribeDeathRequest request;
  request.set_worker_id(link.address.worker_id());
  request.set_node_id(link.address.node_id());
  deps_.raylet.Call(
      protocol::kDescribeDeath, request,
      link.alive.Bind([this, &link, reason](const Result<protocol::DescribeDeathReply>& reply) {
        if (reply && !reply->cause().empty()) {
          End(link, ErrorCode::kOwnerDied, reply->cause());
        } else if ((link.borrowed.empty() && link.to_remove.empty()) ||
                   deps_.loop.Now() - *link.away_since >= config_.owner_away_max) {
          // We want nothing of it any more, or have waited long enough.
          End(link, ErrorCode::kUnavailable, reason.message());
        } else {
          deps_.loop.Schedule(kReconnectDelay, link.alive.Bind([this, &link] { Connect(link); }));
        }
      }));
}

void OwnerLinks::DropNode(const NodeId& node, std::string_view reason) {
  for (auto next = links_.begin(); next != links_.end();) {
    Link& link = next++->second;
    if (link.address.node_id() == node.Binary()) End(link, ErrorCode::kOwnerDied, reason);
  }
}

void OwnerLinks::End(Link& link, ErrorCode code, std::string_view why) {
  // Nothing more can be learnt from this owner. What waits for its objects gets the error, and what
  // waits for registrations goes on: there is nobody left to register with.
  const auto ended = links_.extract(link.owner->address);  // it lives until the end of this call
  for (const ObjectId& id : link.borrowed) {
    hooks_.on_owner_lost(id, OwnerLost(code, id, link.address, why));
  }
  if (link.failed_batch != 0) FinishBatch(link.failed_batch);
}

void OwnerLinks::Stop() {
  alive_.End();
  after_.clear();
  links_.clear();
}

}  // namespace mobula::core_worker
