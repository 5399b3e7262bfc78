#include "components/raylet/object_manager.h"

#include "components/protocol/convert.h"
#include "components/protocol/owner_methods.h"

namespace mobula::raylet {
namespace {

constexpr Duration kReportEvictedMax = std::chrono::seconds(10);

}  // namespace

ObjectManager::ObjectManager(Deps deps, const RayletConfig& config)
    : store_(deps.store),
      peers_(deps.peers),
      node_(config.node_id),
      creates_(deps.loop, store_, config.creates),
      pulls_({deps.loop, store_, creates_, peers_, deps.random.Fork("pulls")}, config.pulls),
      store_service_({deps.loop, store_, creates_, &pulls_}),
      transfer_service_({deps.loop, store_}),
      owners_(
          deps.loop, [this](const ObjectId& id) { store_service_.Delete(std::span(&id, 1)); },
          [this](const protocol::Address& owner, protocol::ReportCopiesRequest report) {
            ReportEvicted(owner, std::move(report));
          }) {
  pulls_.SetIsMember(std::move(deps.is_member));
  // Every way in which a copy comes or goes is told to the owners' book. A sealed copy waits there
  // for the message that names its owner; a pulled one comes with that name.
  store_service_.OnSealed(
      [this](const rpc::Peer& peer, const ObjectId& object) { owners_.OnSealed(peer, object); });
  store_service_.OnPulled([this](const ObjectId& object, const std::string& owner) {
    owners_.OnPulled(object, owner);
  });
  store_.OnEvicted([this](const ObjectId& object) { owners_.OnEvicted(object); });
}

ObjectManager::~ObjectManager() {
  store_.OnEvicted(nullptr);  // the store may outlive us
}

void ObjectManager::Bind(rpc::ServiceTable& table) {
  store_service_.Bind(table);
  transfer_service_.Bind(table);
}

void ObjectManager::SetOwnEndpoint(const std::string& endpoint) {
  endpoint_ = endpoint;
  pulls_.SetOwnEndpoint(endpoint);
}

// What the process was writing is dropped. What it had sealed and given to an owner stays; what it
// had sealed for nobody goes too, because nobody will ever ask for it.
void ObjectManager::OnPeerClosed(rpc::Peer& peer) {
  store_service_.OnPeerClosed(peer);
  owners_.OnPeerClosed(peer);
}

// The owner goes on naming this node as a place of the object until it is told. It may never have
// spoken to us, so this is a call: a notification is dropped while there is no connection yet.
// Nobody waits for the answer, because a lost report costs one reader one question in vain.
void ObjectManager::ReportEvicted(const protocol::Address& owner,
                                  protocol::ReportCopiesRequest report) const {
  report.mutable_node()->set_node_id(std::string(node_.Binary()));
  report.mutable_node()->set_raylet_endpoint(endpoint_);
  peers_.Get(protocol::EndpointFor(owner, node_.Binary()))
      ->Call(protocol::kReportCopies, report, [](const Result<protocol::Ack>&) {},
             {.timeout = kReportEvictedMax});
}

// Pulls end before the service: a process that waits for one is answered by the other.
void ObjectManager::Stop() {
  pulls_.Stop();
  store_service_.Stop();
}

}  // namespace mobula::raylet
