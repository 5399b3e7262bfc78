#include "bench/workloads/lease_client.h"

#include <unistd.h>

#include <algorithm>
#include <future>
#include <stdexcept>

#include "components/base/real/event_loop.h"
#include "components/base/real/file_system.h"
#include "components/protocol/raylet_methods.h"
#include "components/transport/rpc/client.h"
#include "node/process/program.h"
#include "node/session.h"
#include "node/wiring.h"

namespace bench {

namespace protocol = mobula::protocol;

/// All on the loop, under its lock, but for the two that wait.
class LeaseClient::Impl {
 public:
  explicit Impl(const Nodes& nodes)
      : random_(mobula::Random::EntropySeed()), program_(mobula::node::ThisProgram().value()) {
    owner_.set_worker_id(std::string(random_.NewId<mobula::WorkerId>().Binary()));
    owner_.set_endpoint("tcp://127.0.0.1:1");  // nobody calls back: no task is ever pushed
    owner_.set_pid(::getpid());
    auto handshake = std::make_shared<mobula::transport::HandshakeConfig>();
    handshake->self.role = "driver";
    mobula::RealFileSystem files;
    handshake->token = mobula::node::FindToken(files, nodes.token_file()).value();
    transports_ =
        mobula::node::MakeTransports(loop_, mobula::node::TransportConfig(), random_, handshake)
            .value();
    IgnoreNotices();
    raylet_.emplace(loop_, *transports_.For(nodes.head_endpoint()), nodes.head_endpoint(),
                    random_.Fork("raylet"), mobula::rpc::ClientOptions(), &services_);
    loop_.RunInThread();
    Register();
  }
  ~Impl() {
    loop_.Enter([this] { raylet_->Stop(); });
    loop_.Stop();
    loop_.Join();
  }

  int Grants(int count) {
    std::promise<int> done;
    std::future<int> grants = done.get_future();
    loop_.Enter([&] {
      // One batch: so many requests are always in flight that the raylet never waits for us.
      to_ask_ = count;
      unanswered_ = 0;
      granted_ = 0;
      done_ = &done;
      for (int i = 0; i < std::min(count, kInFlight); ++i) Ask();
    });
    return grants.get();
  }

 private:
  // A driver must take these, or its raylet would get errors. None of them matters to a lease that
  // is returned at once.
  void IgnoreNotices() {
    const auto ignore = [](const auto&, const auto&, const auto&) {};
    services_.Handle(protocol::kReclaimLeases, ignore);
    services_.Handle(protocol::kNodeDied, ignore);
    services_.Handle(protocol::kExitWorker, ignore);
  }

  void Register() {
    protocol::RegisterWorkerRequest request;
    *request.mutable_address() = owner_;
    request.set_is_driver(true);
    *request.mutable_program() = program_;
    std::promise<mobula::Result<protocol::RegisterWorkerReply>> joined;
    loop_.Enter([&] {
      raylet_->Call(protocol::kRegisterWorker, request,
                    [&](mobula::Result<protocol::RegisterWorkerReply> to) {
                      joined.set_value(std::move(to));
                    });
    });
    const mobula::Result<protocol::RegisterWorkerReply> reply = joined.get_future().get();
    if (!reply) throw std::runtime_error(reply.error().message());
    // Now the raylet knows us as a driver with a job, and grants us leases.
    owner_.set_node_id(reply->node_id());
    job_ = reply->job_id();
  }

  void Ask() {
    --to_ask_;
    ++unanswered_;
    protocol::RequestLeaseRequest request;
    request.set_request_id(std::string(random_.NewId<mobula::LeaseId>().Binary()));
    *request.mutable_owner() = owner_;
    request.set_job_id(job_);
    *request.mutable_program() = program_;
    (*request.mutable_resources()->mutable_units())["CPU"] = kShare.units();
    request.set_depth(1);
    raylet_->Call(
        protocol::kRequestLease, request,
        [this](mobula::Result<protocol::RequestLeaseReply> reply) { OnAnswer(std::move(reply)); });
  }

  void OnAnswer(mobula::Result<protocol::RequestLeaseReply> reply) {
    --unanswered_;
    // Each lease goes back at once and unused: what is measured is the raylet, not the worker.
    if (reply && reply->has_grant()) {
      ++granted_;
      protocol::ReturnLeaseRequest give_back;
      give_back.set_lease_id(reply->grant().lease_id());
      raylet_->Call(protocol::kReturnLease, give_back, [](auto) {});
    }
    // Every answer makes room for one more request; the last answer ends the batch.
    if (to_ask_ > 0) Ask();
    if (unanswered_ == 0) done_->set_value(granted_);
  }

  /// Of a CPU: so many leases are out at a time that the raylet is never idle.
  static inline const mobula::Amount kShare = mobula::Amount::FromDouble(1.0 / 16);

  mobula::RealEventLoop loop_;
  mobula::Random random_;
  protocol::Program program_;
  protocol::Address owner_;
  std::string job_;
  mobula::node::Transports transports_;
  mobula::rpc::ServiceTable services_;
  std::optional<mobula::rpc::Client> raylet_;
  int to_ask_ = 0;
  int unanswered_ = 0;
  int granted_ = 0;
  std::promise<int>* done_ = nullptr;
};

LeaseClient::LeaseClient(const Nodes& nodes) : impl_(std::make_unique<Impl>(nodes)) {}
LeaseClient::~LeaseClient() = default;
int LeaseClient::Grants(int count) { return impl_->Grants(count); }

}  // namespace bench
