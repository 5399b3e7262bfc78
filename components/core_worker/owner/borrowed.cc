// The borrower's side of the reference table: registering with owners, asking them, and their
// death.

#include "components/base/check.h"
#include "components/core_worker/owner/references.h"
#include "components/core_worker/owner/status_codec.h"
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

/// Sends `request` with `ids`, as often as it takes with at most `ids_max` in one.
template <typename Request, typename Ids, typename Send>
void SendInParts(Request request, const Ids& ids, std::size_t ids_max, Send send) {
  for (const ObjectId& id : ids) {
    request.add_ids(std::string(id.Binary()));
    if (static_cast<std::size_t>(request.ids_size()) < ids_max) continue;
    send(request);
    request.clear_ids();
  }
  if (request.ids_size() > 0) send(request);
}

}  // namespace

BorrowedObject& ReferenceTable::AddBorrowed(const ObjectId& id, const OwnerPtr& owner) {
  const auto [it, is_new] = borrowed_.try_emplace(id);
  BorrowedObject& entry = it->second;
  if (!is_new) {
    entry.is_releasing = false;  // held again before the owner was told
    return entry;
  }
  entry.owner = owner;
  BorrowLink& link = LinkTo(owner);
  link.borrowed.insert(id);
  link.to_remove.erase(id);  // held again before the owner was told
  link.to_add.push_back(id);
  ScheduleFlush();
  return entry;
}

void ReferenceTable::ReleaseBorrowed(const ObjectId& id, BorrowedObject& entry) {
  entry.is_releasing = true;
  AfterBorrowsAcknowledged([this, id] { FinishRelease(id); });
}

void ReferenceTable::FinishRelease(const ObjectId& id) {
  const auto it = borrowed_.find(id);
  if (it == borrowed_.end() || !it->second.is_releasing) return;
  const auto link = links_.find(it->second.owner->address);
  if (link != links_.end() && link->second.borrowed.erase(id) > 0) {
    link->second.to_remove.insert(id);
    ScheduleFlush();
  }
  borrowed_.erase(it);
}

void ReferenceTable::AskOwner(const ObjectId& id, BorrowedObject& entry) {
  if (std::exchange(entry.is_asked, true)) return;
  LinkTo(entry.owner).to_watch.push_back(id);
  ScheduleFlush();
}

void ReferenceTable::Resolve(BorrowedObject& entry, ObjectState state) {
  entry.state = std::move(state);
  entry.is_asked = false;
  entry.waiting.Tell();
  Wake(std::exchange(entry.watches, {}));
}

void ReferenceTable::HandleStatus(const protocol::StatusRequest& request) {
  for (const protocol::ObjectStatus& status : request.objects()) {
    const ObjectId id(ObjectId::FromBinaryOrNil(status.id()));
    const auto it = borrowed_.find(id);
    if (it == borrowed_.end() || status.state_case() == protocol::ObjectStatus::kPending) continue;
    Resolve(it->second, FromMessage(status));
  }
}

void ReferenceTable::ReportMissing(const ObjectId& id, std::vector<std::string> endpoints) {
  if (owned_.Find(id) != nullptr) return DoubtCopies(id, endpoints);
  const auto it = borrowed_.find(id);
  if (it == borrowed_.end() || std::holds_alternative<Error>(it->second.state)) return;
  it->second.state = Pending{};
  protocol::ReportCopiesRequest report;
  report.add_missing_ids(std::string(id.Binary()));
  for (std::string& endpoint : endpoints) report.add_missing_endpoints(std::move(endpoint));
  LinkTo(it->second.owner).client->Notify(protocol::kReportCopies, report);
}

void ReferenceTable::ReportCopy(const ObjectId& id, const NodeId& node,
                                const std::string& endpoint) {
  if (owned_.Find(id) != nullptr) return AddCopy(id, node, endpoint);
  const auto it = borrowed_.find(id);
  if (it == borrowed_.end()) return;
  BorrowLink& link = LinkTo(it->second.owner);
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

void ReferenceTable::AfterBorrowsAcknowledged(std::move_only_function<void()> next) {
  for (auto& [owner, link] : links_) {
    if (!link.to_add.empty()) SendAdds(link);
  }
  if (batches_.empty()) {
    next();
  } else {
    after_.emplace_back(last_batch_, std::move(next));
  }
}

void ReferenceTable::FinishBatch(std::uint64_t batch) {
  batches_.erase(batches_.find(batch));
  const std::uint64_t oldest = batches_.empty() ? UINT64_MAX : *batches_.begin();
  while (!after_.empty() && after_.front().first < oldest) {
    auto next = std::move(after_.front().second);
    after_.pop_front();
    next();
  }
}

BorrowLink& ReferenceTable::LinkTo(const OwnerPtr& owner) {
  const auto [it, is_new] = links_.try_emplace(owner->address);
  BorrowLink& link = it->second;
  if (is_new) {
    link.owner = owner;
    link.address.ParseFromString(owner->address);
    Connect(link);
  }
  return link;
}

void ReferenceTable::Connect(BorrowLink& link) {
  link.client = deps_.peers.Get(protocol::EndpointFor(link.address, self_.node_id()));
  link.client->OnConnected(link.alive.Bind([this, &link](rpc::Peer&) { OnLinkConnected(link); }));
  link.client->OnGone(link.alive.Bind([this, &link](const Error& why) { OnLinkGone(link, why); }));
  link.client->Connect();
  if (link.client->IsConnected()) OnLinkConnected(link);
}

void ReferenceTable::OnLinkConnected(BorrowLink& link) {
  link.away_since.reset();
  // A new connection: the owner may have begun to forget us. Register and ask again.
  link.to_add.assign(link.borrowed.begin(), link.borrowed.end());
  link.to_watch.clear();
  for (const ObjectId& id : link.borrowed) {
    if (const auto entry = borrowed_.find(id); entry != borrowed_.end() && entry->second.is_asked) {
      link.to_watch.push_back(id);
    }
  }
  ScheduleFlush();
}

/// Who cannot be reached may live: only who knows of its death can say that it does not.
void ReferenceTable::OnLinkGone(BorrowLink& link, const Error& reason) {
  if (!link.away_since) link.away_since = deps_.loop.Now();
  protocol::DescribeDeathRequest request;
  request.set_worker_id(link.address.worker_id());
  request.set_node_id(link.address.node_id());
  deps_.raylet.Call(
      protocol::kDescribeDeath, request,
      link.alive.Bind([this, &link, reason](const Result<protocol::DescribeDeathReply>& reply) {
        if (reply && !reply->cause().empty()) {
          EndLink(link, ErrorCode::kOwnerDied, reply->cause());
        } else if ((link.borrowed.empty() && link.to_remove.empty()) ||
                   deps_.loop.Now() - *link.away_since >= config_.owner_away_max) {
          EndLink(link, ErrorCode::kUnavailable, reason.message());
        } else {
          deps_.loop.Schedule(kReconnectDelay, link.alive.Bind([this, &link] { Connect(link); }));
        }
      }));
}

void ReferenceTable::EndLink(BorrowLink& link, ErrorCode code, std::string_view why) {
  const auto ended = links_.extract(link.owner->address);
  for (const ObjectId& id : link.borrowed) {
    const auto entry = borrowed_.find(id);
    if (entry != borrowed_.end()) Resolve(entry->second, OwnerLost(code, id, link.address, why));
  }
  if (link.failed_batch != 0) FinishBatch(link.failed_batch);
}

void ReferenceTable::ScheduleFlush() {
  if (std::exchange(is_flush_due_, true)) return;
  deps_.loop.Post(alive_.Bind([this] { FlushAll(); }));
}

void ReferenceTable::FlushAll() {
  is_flush_due_ = false;
  for (auto& [owner, link] : links_) Flush(link);
  for (const auto& [endpoint, ids] : std::exchange(to_free_, {})) {
    // A call, as it is made again when its connection is lost.
    const auto client = deps_.peers.Get(endpoint);
    SendInParts(protocol::FreeObjectsRequest(), ids, config_.batch_ids_max,
                [&](const protocol::FreeObjectsRequest& request) {
                  client->Call(protocol::kFreeObjects, request,
                               [](const Result<protocol::NoReply>&) {});
                });
  }
}

void ReferenceTable::SendAdds(BorrowLink& link) {
  protocol::AddBorrowsRequest to_owner;
  *to_owner.mutable_borrower() = self_;
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

void ReferenceTable::OnAdded(const std::string& owner, std::uint64_t batch,
                             const Result<protocol::NoReply>& reply) {
  const auto it = links_.find(owner);
  if (reply || it == links_.end()) return FinishBatch(batch);
  BorrowLink& link = it->second;
  if (reply.error().code() == ErrorCode::kDeadlineExceeded) {
    EndLink(link, ErrorCode::kUnavailable, reply.error().message());
  } else if (!link.client->IsConnected()) {  // made again when the owner is reached
    if (link.failed_batch == 0) {
      link.failed_batch = batch;
      return;
    }
    if (batch < link.failed_batch) std::swap(batch, link.failed_batch);
  }
  FinishBatch(batch);
}

void ReferenceTable::Flush(BorrowLink& link) {
  if (!link.to_add.empty()) SendAdds(link);
  if (link.report.added_ids_size() > 0) {  // before an owner may forget the object
    link.client->Notify(protocol::kReportCopies, link.report);
    link.report.Clear();
  }
  protocol::RemoveBorrowsRequest remove;
  remove.set_borrower_id(self_.worker_id());
  SendInParts(
      std::move(remove), std::exchange(link.to_remove, {}), config_.batch_ids_max,
      [&](const protocol::RemoveBorrowsRequest& request) {
        // A call, as it is made again when its connection is lost.
        link.client->Call(
            protocol::kRemoveBorrows, request,
            link.alive.Bind([&link, ids = request.ids()](const Result<protocol::NoReply>& reply) {
              if (reply) return;
              for (const std::string& binary : ids) {
                const ObjectId id(ObjectId::FromBinaryOrNil(binary));
                if (!link.borrowed.contains(id)) link.to_remove.insert(id);
              }
            }),
            {.timeout = config_.owner_away_max});
      });
  if (!link.client->IsConnected()) return;  // OnLinkConnected asks
  SendInParts(protocol::WatchRequest(), std::exchange(link.to_watch, {}), config_.batch_ids_max,
              [&](const protocol::WatchRequest& request) {
                link.client->Notify(protocol::kWatch, request);
              });
}

}  // namespace mobula::core_worker
