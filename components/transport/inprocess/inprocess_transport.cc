#include "components/transport/inprocess/inprocess_transport.h"

#include <map>

#include "components/base/lifetime.h"
#include "components/transport/pipe/pipe.h"

namespace mobula::transport {
namespace {

/// The loop keeps the order; nothing else is needed.
class LoopWire final : public Wire {
 public:
  explicit LoopWire(EventLoop& loop) : loop_(&loop) {}
  void Carry(PipeEnd /*from*/, EventLoop::Callback arrive) override {
    loop_->Post(std::move(arrive));
  }

 private:
  EventLoop* loop_;
};

/// Names that are listened to. Owners: the transport, and its listeners to remove themselves.
using Names = std::map<std::string, std::shared_ptr<Transport::OnAccept>, std::less<>>;

class InprocessListener final : public Listener {
 public:
  InprocessListener(std::shared_ptr<Names> names, std::string name)
      : names_(std::move(names)), name_(std::move(name)) {}
  ~InprocessListener() override { names_->erase(name_); }
  [[nodiscard]] std::string Endpoint() const override { return "inproc://" + name_; }

 private:
  std::shared_ptr<Names> names_;
  std::string name_;
};

class InprocessTransport final : public Transport {
 public:
  explicit InprocessTransport(EventLoop& loop) : loop_(loop) {}

  Result<std::unique_ptr<Listener>> Listen(std::string_view endpoint, OnAccept on_accept) override {
    auto name = NameIn(endpoint);
    if (!name) return Fail(std::move(name.error()));
    if (names_->contains(*name)) return Fail(ErrorCode::kAlreadyExists, "{} is in use", endpoint);
    names_->emplace(*name, std::make_shared<OnAccept>(std::move(on_accept)));
    return std::make_unique<InprocessListener>(names_, *name);
  }

  void Connect(std::string_view endpoint, Duration /*timeout*/, OnConnect done) override {
    loop_.Post(alive_.Bind([this, endpoint = std::string(endpoint),
                            done = std::move(done)]() mutable { DoConnect(endpoint, done); }));
  }
  [[nodiscard]] std::string_view Name() const override { return "inprocess"; }

 private:
  static Result<std::string> NameIn(std::string_view endpoint) {
    auto parsed = ParseEndpoint(endpoint);
    if (!parsed) return Fail(std::move(parsed.error()));
    if (parsed->scheme == "inproc") return std::move(parsed->path);
    return Fail(ErrorCode::kInvalidArgument,
                "'{}' is no inprocess endpoint; write one such as inproc://gcs", endpoint);
  }

  void DoConnect(const std::string& endpoint, OnConnect& done) {
    auto name = NameIn(endpoint);
    if (!name) return done(Fail(std::move(name.error())));
    const auto found = names_->find(*name);
    if (found == names_->end()) {
      return done(Fail(ErrorCode::kUnavailable, "nothing listens at {}", endpoint));
    }
    const auto on_accept = found->second;  // accepting may remove the listener
    Pipe pipe = MakePipe({&loop_, endpoint}, {&loop_, fmt::format("inproc://client-{}", ++made_)},
                         std::make_shared<LoopWire>(loop_));
    (*on_accept)(std::move(pipe.server));
    done(std::move(pipe.client));
  }

  EventLoop& loop_;
  std::shared_ptr<Names> names_ = std::make_shared<Names>();
  std::uint64_t made_ = 0;
  Lifetime alive_;
};

}  // namespace

std::unique_ptr<Transport> MakeInprocessTransport(EventLoop& loop) {
  return std::make_unique<InprocessTransport>(loop);
}

}  // namespace mobula::transport
