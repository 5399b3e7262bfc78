// The borrower's side of the reference table: registering with owners, asking them, and their
// death.

#include "components/base/check.h"
#include "components/core_worker/methods.h"
#include "components/core_worker/reference_table.h"
#include "components/core_worker/status_codec.h"

namespace mobula::core_worker {

using Impl = ReferenceTable::Impl;

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
  address.ParseFromString(*owner);
  return address;
}

}  // namespace

Impl::Borrowed& Impl::AddBorrowed(const ObjectId& id, const OwnerPtr& owner) {
  const auto [it, is_new] = borrowed.try_emplace(id);
  Borrowed& entry = it->second;
  if (!is_new) {
    entry.is_releasing = false;  // held again before the owner was told
    return entry;
  }
  entry.owner = owner;
  Link& link = LinkTo(owner);
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

void Impl::ReleaseBorrowed(const ObjectId& id, Borrowed& entry) {
  entry.is_releasing = true;
  AfterBorrowsAcknowledged([this, id] { FinishRelease(id); });
}

void Impl::FinishRelease(const ObjectId& id) {
  const auto it = borrowed.find(id);
  if (it == borrowed.end() || !it->second.is_releasing) return;
  const auto link = links.find(*it->second.owner);
  if (link != links.end() && link->second.borrowed.erase(id) > 0) {
    link->second.to_remove.insert(id);
    ScheduleFlush();
  }
  borrowed.erase(it);
}

void Impl::AskOwner(const ObjectId& id, Borrowed& entry) {
  if (entry.is_asked) return;
  const auto link = links.find(*entry.owner);
  if (link == links.end() || link->second.is_gone) {
    Resolve(id, entry, OwnerDied(id, Decode(entry.owner), "its process could not be reached"));
    return;
  }
  entry.is_asked = true;
  link->second.to_watch.push_back(id);
  ScheduleFlush();
}

void Impl::Resolve(const ObjectId&, Borrowed& entry, ObjectState state) {
  entry.state = std::move(state);
  entry.is_asked = false;
  Wake(std::exchange(entry.watches, {}));
}

void Impl::HandleStatus(const StatusRequest& request) {
  for (const ObjectStatus& status : request.objects()) {
    const ObjectId id(ObjectId::FromBinaryOrNil(status.id()));
    const auto it = borrowed.find(id);
    if (it == borrowed.end() || status.state_case() == ObjectStatus::kPending) continue;
    Resolve(id, it->second, FromMessage(status));
  }
}

void Impl::ReportMissing(const ObjectId& id, std::vector<std::string> endpoints) {
  if (owned.contains(id)) return DoubtCopies(id, endpoints);
  const auto it = borrowed.find(id);
  if (it == borrowed.end() || std::holds_alternative<Error>(it->second.state)) return;
  it->second.state = Pending{};
  const auto link = links.find(*it->second.owner);
  if (link == links.end() || link->second.is_gone) return;
  ReportCopiesRequest report;
  report.add_missing_ids(std::string(id.Binary()));
  for (std::string& endpoint : endpoints) report.add_missing_endpoints(std::move(endpoint));
  link->second.client->Notify(kReportCopies, report);
}

void Impl::ReportCopy(const ObjectId& id, const NodeId& node, const std::string& endpoint) {
  if (owned.contains(id)) return AddCopy(id, node, endpoint);
  const auto it = borrowed.find(id);
  if (it == borrowed.end()) return;
  const auto link = links.find(*it->second.owner);
  if (link == links.end() || link->second.is_gone) return;
  ReportCopiesRequest& report = link->second.report;
  const bool is_full = static_cast<std::size_t>(report.added_ids_size()) >= config.batch_ids_max;
  if (is_full || (report.added_ids_size() > 0 && report.node().node_id() != node.Binary())) {
    link->second.client->Notify(kReportCopies, report);  // one message speaks of one node
    report.Clear();
  }
  report.mutable_node()->set_node_id(std::string(node.Binary()));
  report.mutable_node()->set_raylet_endpoint(endpoint);
  report.add_added_ids(std::string(id.Binary()));
  ScheduleFlush();
}

void Impl::AfterBorrowsAcknowledged(std::move_only_function<void()> next) {
  for (auto& [owner, link] : links) {
    if (!link.to_add.empty()) SendAdds(link);
  }
  if (batches.empty()) {
    next();
  } else {
    after.emplace_back(last_batch, std::move(next));
  }
}

void Impl::FinishBatch(std::uint64_t batch) {
  batches.erase(batch);
  const std::uint64_t oldest = batches.empty() ? UINT64_MAX : *batches.begin();
  while (!after.empty() && after.front().first < oldest) {
    auto next = std::move(after.front().second);
    after.pop_front();
    next();
  }
}

Impl::Link& Impl::LinkTo(const OwnerPtr& owner) {
  const auto it = links.find(*owner);
  if (it != links.end()) return it->second;
  Link& link = links[*owner];
  link.client = deps.peers.Get(EndpointFor(Decode(owner), self.node_id()));
  link.client->OnConnected(alive.Bind([this, owner](rpc::Peer&) { OnLinkConnected(owner); }));
  link.client->OnDisconnected(alive.Bind([this, owner](const Error&) {
    const auto found = links.find(*owner);
    if (found != links.end() && !found->second.borrowed.empty()) found->second.client->Connect();
  }));
  link.client->OnGone(alive.Bind([this, owner](const Error& why) { OnLinkGone(owner, why); }));
  if (link.client->IsGone()) {
    link.is_gone = true;
  } else {
    link.client->Connect();
  }
  return link;
}

void Impl::OnLinkConnected(const OwnerPtr& owner) {
  const auto it = links.find(*owner);
  if (it == links.end()) return;
  Link& link = it->second;
  // A new connection: the owner may have begun to forget us. Register and ask again.
  link.to_add.assign(link.borrowed.begin(), link.borrowed.end());
  link.to_watch.clear();
  for (const ObjectId& id : link.borrowed) {
    if (const auto entry = borrowed.find(id); entry != borrowed.end() && entry->second.is_asked) {
      link.to_watch.push_back(id);
    }
  }
  ScheduleFlush();
}

void Impl::OnLinkGone(const OwnerPtr& owner, const Error& reason) {
  const auto it = links.find(*owner);
  if (it == links.end()) return;
  const std::set<ObjectId> ids = std::move(it->second.borrowed);
  links.erase(it);
  if (ids.empty()) return;
  DescribeDeathRequest request;
  request.set_worker_id(Decode(owner).worker_id());
  deps.raylet.Call(
      kDescribeDeath, request,
      alive.Bind([this, owner, ids, reason](Result<DescribeDeathReply> reply) {
        const bool is_known = reply && !reply->cause().empty();
        for (const ObjectId& id : ids) {
          const auto entry = borrowed.find(id);
          if (entry == borrowed.end()) continue;
          Resolve(id, entry->second,
                  OwnerDied(id, Decode(owner), is_known ? reply->cause() : reason.message()));
        }
      }));
}

void Impl::ScheduleFlush() {
  if (std::exchange(flush_scheduled, true)) return;
  deps.loop.Post(alive.Bind([this] { FlushAll(); }));
}

void Impl::FlushAll() {
  flush_scheduled = false;
  for (auto& [owner, link] : links) Flush(link);
  for (const auto& [endpoint, ids] : std::exchange(to_free, {})) {
    // A call and not a notification, which would be dropped before there is a connection.
    const auto client = deps.peers.Get(endpoint);
    SendInParts(FreeObjectsRequest(), ids, config.batch_ids_max,
                [&](const FreeObjectsRequest& request) {
                  client->Call(kFreeObjects, request, [](const Result<NoReply>&) {},
                               {.timeout = kFreeTimeout});
                });
  }
}

void Impl::SendAdds(Link& link) {
  AddBorrowsRequest to_owner;
  *to_owner.mutable_borrower() = self;
  const std::vector<ObjectId> ids = std::exchange(link.to_add, {});
  SendInParts(
      std::move(to_owner), ids, config.batch_ids_max, [&](const AddBorrowsRequest& request) {
        const std::uint64_t batch = ++last_batch;
        batches.insert(batch);
        link.client->Call(
            kAddBorrows, request, alive.Bind([this, batch](Result<AddBorrowsReply> reply) {
              if (!reply)
                reply = AddBorrowsReply();  // the link's end, or a watch, tells what happened
              for (const std::string& binary : reply->unknown_ids()) {
                const ObjectId id(ObjectId::FromBinaryOrNil(binary));
                const auto it = borrowed.find(id);
                if (it == borrowed.end() || !std::holds_alternative<Pending>(it->second.state))
                  continue;
                Resolve(id, it->second,
                        Error(ErrorCode::kObjectLost,
                              fmt::format("object {} was freed by its owner", id.Short())));
              }
              FinishBatch(batch);
            }));
      });
}

void Impl::Flush(Link& link) {
  if (!link.to_add.empty()) SendAdds(link);
  if (link.report.added_ids_size() > 0) {  // before an owner may forget the object
    link.client->Notify(kReportCopies, link.report);
    link.report.Clear();
  }
  RemoveBorrowsRequest remove;
  remove.set_borrower_id(self.worker_id());
  SendInParts(std::move(remove), std::exchange(link.to_remove, {}), config.batch_ids_max,
              [&](const RemoveBorrowsRequest& request) {
                // A call, as it is made again when its connection is lost.
                link.client->Call(kRemoveBorrows, request, [](const Result<NoReply>&) {},
                                  {.timeout = kRemoveTimeout});
              });
  if (!link.client->IsConnected()) return;  // OnLinkConnected asks
  SendInParts(WatchRequest(), std::exchange(link.to_watch, {}), config.batch_ids_max,
              [&](const WatchRequest& request) { link.client->Notify(kWatch, request); });
}

}  // namespace mobula::core_worker
