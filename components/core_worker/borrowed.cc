// The borrower's side of the reference table: registering with owners, asking them, and their
// death.

#include "components/base/check.h"
#include "components/core_worker/methods.h"
#include "components/core_worker/references.h"
#include "components/core_worker/status_codec.h"

namespace mobula::core_worker {

namespace {

constexpr Duration kFreeTimeout = std::chrono::seconds(10);
constexpr Duration kRemoveTimeout = std::chrono::seconds(30);

Error OwnerDied(const ObjectId& id, const Address& owner, std::string_view why) {
  return {ErrorCode::kOwnerDied,
          fmt::format("the owner of object {} is gone (worker {}, pid {}, node {}): {}", id.Short(),
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

Address Decode(const OwnerPtr& owner) {
  Address address;
  address.ParseFromString(owner->address);
  return address;
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
  if (link.is_gone) {
    entry.state = OwnerDied(id, Decode(owner), "its process could not be reached");
    return entry;
  }
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
  if (entry.is_asked) return;
  const auto link = links_.find(entry.owner->address);
  if (link == links_.end() || link->second.is_gone) {
    Resolve(entry, OwnerDied(id, Decode(entry.owner), "its process could not be reached"));
    return;
  }
  entry.is_asked = true;
  link->second.to_watch.push_back(id);
  ScheduleFlush();
}

void ReferenceTable::Resolve(BorrowedObject& entry, ObjectState state) {
  entry.state = std::move(state);
  entry.is_asked = false;
  entry.waiting.Tell();
  Wake(std::exchange(entry.watches, {}));
}

void ReferenceTable::HandleStatus(const StatusRequest& request) {
  for (const ObjectStatus& status : request.objects()) {
    const ObjectId id(ObjectId::FromBinaryOrNil(status.id()));
    const auto it = borrowed_.find(id);
    if (it == borrowed_.end() || status.state_case() == ObjectStatus::kPending) continue;
    Resolve(it->second, FromMessage(status));
  }
}

void ReferenceTable::ReportMissing(const ObjectId& id, std::vector<std::string> endpoints) {
  if (owned_.Find(id) != nullptr) return DoubtCopies(id, endpoints);
  const auto it = borrowed_.find(id);
  if (it == borrowed_.end() || std::holds_alternative<Error>(it->second.state)) return;
  it->second.state = Pending{};
  const auto link = links_.find(it->second.owner->address);
  if (link == links_.end() || link->second.is_gone) return;
  ReportCopiesRequest report;
  report.add_missing_ids(std::string(id.Binary()));
  for (std::string& endpoint : endpoints) report.add_missing_endpoints(std::move(endpoint));
  link->second.client->Notify(kReportCopies, report);
}

void ReferenceTable::ReportCopy(const ObjectId& id, const NodeId& node,
                                const std::string& endpoint) {
  if (owned_.Find(id) != nullptr) return AddCopy(id, node, endpoint);
  const auto it = borrowed_.find(id);
  if (it == borrowed_.end()) return;
  const auto link = links_.find(it->second.owner->address);
  if (link == links_.end() || link->second.is_gone) return;
  ReportCopiesRequest& report = link->second.report;
  const bool is_full = static_cast<std::size_t>(report.added_ids_size()) >= config_.batch_ids_max;
  if (is_full || (report.added_ids_size() > 0 && report.node().node_id() != node.Binary())) {
    link->second.client->Notify(kReportCopies, report);  // one message speaks of one node
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
  batches_.erase(batch);
  const std::uint64_t oldest = batches_.empty() ? UINT64_MAX : *batches_.begin();
  while (!after_.empty() && after_.front().first < oldest) {
    auto next = std::move(after_.front().second);
    after_.pop_front();
    next();
  }
}

BorrowLink& ReferenceTable::LinkTo(const OwnerPtr& owner) {
  const auto it = links_.find(owner->address);
  if (it != links_.end()) return it->second;
  BorrowLink& link = links_[owner->address];
  link.client = deps_.peers.Get(EndpointFor(Decode(owner), self_.node_id()));
  link.client->OnConnected(alive_.Bind([this, owner](rpc::Peer&) { OnLinkConnected(owner); }));
  link.client->OnDisconnected(alive_.Bind([this, owner](const Error&) {
    const auto found = links_.find(owner->address);
    if (found != links_.end() && !found->second.borrowed.empty()) found->second.client->Connect();
  }));
  link.client->OnGone(alive_.Bind([this, owner](const Error& why) { OnLinkGone(owner, why); }));
  if (link.client->IsGone()) {
    link.is_gone = true;
  } else {
    link.client->Connect();
  }
  return link;
}

void ReferenceTable::OnLinkConnected(const OwnerPtr& owner) {
  const auto it = links_.find(owner->address);
  if (it == links_.end()) return;
  BorrowLink& link = it->second;
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

void ReferenceTable::OnLinkGone(const OwnerPtr& owner, const Error& reason) {
  const auto it = links_.find(owner->address);
  if (it == links_.end()) return;
  const std::set<ObjectId> ids = std::move(it->second.borrowed);
  links_.erase(it);
  if (ids.empty()) return;
  DescribeDeathRequest request;
  request.set_worker_id(Decode(owner).worker_id());
  deps_.raylet.Call(
      kDescribeDeath, request,
      alive_.Bind([this, owner, ids, reason](Result<DescribeDeathReply> reply) {
        const bool is_known = reply && !reply->cause().empty();
        for (const ObjectId& id : ids) {
          const auto entry = borrowed_.find(id);
          if (entry == borrowed_.end()) continue;
          Resolve(entry->second,
                  OwnerDied(id, Decode(owner), is_known ? reply->cause() : reason.message()));
        }
      }));
}

void ReferenceTable::ScheduleFlush() {
  if (std::exchange(is_flush_due_, true)) return;
  deps_.loop.Post(alive_.Bind([this] { FlushAll(); }));
}

void ReferenceTable::FlushAll() {
  is_flush_due_ = false;
  for (auto& [owner, link] : links_) Flush(link);
  for (const auto& [endpoint, ids] : std::exchange(to_free_, {})) {
    // A call and not a notification, which would be dropped before there is a connection.
    const auto client = deps_.peers.Get(endpoint);
    SendInParts(FreeObjectsRequest(), ids, config_.batch_ids_max,
                [&](const FreeObjectsRequest& request) {
                  client->Call(kFreeObjects, request, [](const Result<NoReply>&) {},
                               {.timeout = kFreeTimeout});
                });
  }
}

void ReferenceTable::SendAdds(BorrowLink& link) {
  AddBorrowsRequest to_owner;
  *to_owner.mutable_borrower() = self_;
  const std::vector<ObjectId> ids = std::exchange(link.to_add, {});
  SendInParts(
      std::move(to_owner), ids, config_.batch_ids_max, [&](const AddBorrowsRequest& request) {
        const std::uint64_t batch = ++last_batch_;
        batches_.insert(batch);
        link.client->Call(
            kAddBorrows, request, alive_.Bind([this, batch](Result<AddBorrowsReply> reply) {
              if (!reply) reply = AddBorrowsReply();  // the link's end, or a watch, tells of it
              for (const std::string& binary : reply->unknown_ids()) {
                const ObjectId id(ObjectId::FromBinaryOrNil(binary));
                const auto it = borrowed_.find(id);
                if (it == borrowed_.end() || !std::holds_alternative<Pending>(it->second.state)) {
                  continue;
                }
                Resolve(it->second,
                        Error(ErrorCode::kObjectLost,
                              fmt::format("object {} was freed by its owner", id.Short())));
              }
              FinishBatch(batch);
            }));
      });
}

void ReferenceTable::Flush(BorrowLink& link) {
  if (!link.to_add.empty()) SendAdds(link);
  if (link.report.added_ids_size() > 0) {  // before an owner may forget the object
    link.client->Notify(kReportCopies, link.report);
    link.report.Clear();
  }
  RemoveBorrowsRequest remove;
  remove.set_borrower_id(self_.worker_id());
  SendInParts(std::move(remove), std::exchange(link.to_remove, {}), config_.batch_ids_max,
              [&](const RemoveBorrowsRequest& request) {
                // A call, as it is made again when its connection is lost.
                link.client->Call(kRemoveBorrows, request, [](const Result<NoReply>&) {},
                                  {.timeout = kRemoveTimeout});
              });
  if (!link.client->IsConnected()) return;  // OnLinkConnected asks
  SendInParts(WatchRequest(), std::exchange(link.to_watch, {}), config_.batch_ids_max,
              [&](const WatchRequest& request) { link.client->Notify(kWatch, request); });
}

}  // namespace mobula::core_worker
