#include "components/transport/inprocess/inprocess_transport.h"

#include <array>
#include <map>
#include <mutex>

#include "components/base/lifetime.h"
#include "components/transport/pipe/pipe.h"

namespace mobula::transport {
namespace {

/// The way into an event loop from threads that do not know how long it lives.
class Door {
 public:
  explicit Door(EventLoop& loop) : loop_(&loop) {}
  /// Runs `callback` on the loop; after `Close` it is only destroyed, after the mutex is free.
  /// \return whether the door was open.
  bool Post(EventLoop::Callback callback) {
    const std::lock_guard guard(mutex_);
    if (loop_ != nullptr) loop_->Post(std::move(callback));
    return loop_ != nullptr;
  }
  void Close() {
    const std::lock_guard guard(mutex_);
    loop_ = nullptr;
  }

 private:
  std::mutex mutex_;  // held while the loop is posted to, so that it cannot end meanwhile
  EventLoop* loop_;   // null: closed
};

/// Each loop runs what is posted in order; nothing else is needed.
class LoopWire final : public Wire {
 public:
  LoopWire(EventLoop& client, EventLoop& server) : doors_{Door(client), Door(server)} {}
  void Carry(PipeEnd from, EventLoop::Callback arrive) override {
    doors_[1 - static_cast<std::size_t>(from)].Post(std::move(arrive));
  }
  void Leave(PipeEnd end) override { doors_[static_cast<std::size_t>(end)].Close(); }

 private:
  std::array<Door, 2> doors_;
};

/// Where one listener accepts. Owners: the names, the listener, and connects under way.
struct Place {
  Place(EventLoop& its_loop, Transport::OnAccept accept)
      : loop(&its_loop), door(its_loop), on_accept(std::move(accept)) {}

  EventLoop* loop;  // of the connections that are accepted; used on that loop only
  Door door;
  bool is_open = true;  // touched on that loop only
  Transport::OnAccept on_accept;
};

}  // namespace

class InprocessNames {
 public:
  bool Add(const std::string& name, const std::shared_ptr<Place>& place) {
    const std::lock_guard guard(mutex_);
    return places_.emplace(name, place).second;
  }
  void Remove(const std::string& name) {
    const std::lock_guard guard(mutex_);
    places_.erase(name);
  }
  /// \return null if nothing listens there.
  [[nodiscard]] std::shared_ptr<Place> Find(const std::string& name) {
    const std::lock_guard guard(mutex_);
    const auto found = places_.find(name);
    return found == places_.end() ? nullptr : found->second;
  }

 private:
  std::mutex mutex_;  // a leaf
  std::map<std::string, std::shared_ptr<Place>> places_;
};

namespace {

class InprocessListener final : public Listener {
 public:
  InprocessListener(std::shared_ptr<InprocessNames> names, std::string name,
                    std::shared_ptr<Place> place)
      : names_(std::move(names)), name_(std::move(name)), place_(std::move(place)) {}
  ~InprocessListener() override {
    // A connect that has found the place already finds its door closed, or this flag.
    names_->Remove(name_);
    place_->door.Close();
    place_->is_open = false;
  }
  [[nodiscard]] std::string Endpoint() const override { return "inproc://" + name_; }

 private:
  std::shared_ptr<InprocessNames> names_;
  std::string name_;
  std::shared_ptr<Place> place_;
};

class InprocessTransport final : public Transport {
 public:
  InprocessTransport(EventLoop& loop, std::shared_ptr<InprocessNames> names)
      : loop_(loop), names_(std::move(names)) {}

  Result<std::unique_ptr<Listener>> Listen(std::string_view endpoint, OnAccept on_accept) override {
    auto name = NameIn(endpoint);
    if (!name) return Fail(std::move(name.error()));
    // Shared with connects that are under way in other threads, which may outlive the listener.
    auto place = std::make_shared<Place>(loop_, std::move(on_accept));
    // A name is like a port: the first to listen has it, until its listener goes.
    if (!names_->Add(*name, place)) {
      return Fail(ErrorCode::kAlreadyExists, "{} is in use", endpoint);
    }
    return std::make_unique<InprocessListener>(names_, *name, std::move(place));
  }

  void Connect(std::string_view endpoint, Duration /*timeout*/, OnConnect done) override {
    loop_.Post(alive_.Bind([this, endpoint = std::string(endpoint),
                            done = std::move(done)]() mutable { DoConnect(endpoint, done); }));
  }
  [[nodiscard]] std::string_view Scheme() const override { return "inproc"; }
  [[nodiscard]] TransportAbilities Abilities() const override {
    return {TransportAbilities::Reach::kProcess, true};
  }

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
    // The share keeps the place, not the listener: it may be destroyed in its own thread at any
    // moment.
    const std::shared_ptr<Place> place = names_->Find(*name);
    if (place == nullptr) {
      return done(Fail(ErrorCode::kUnavailable, "nothing listens at {}", endpoint));
    }
    // Each end belongs to the loop of its side, which may run in another thread.
    Pipe pipe =
        MakePipe({&loop_, endpoint}, {place->loop, fmt::format("inproc://client-{}", ++made_)},
                 std::make_shared<LoopWire>(loop_, *place->loop));
    // The listener accepts on its own loop. If it is gone by then, the server's end is destroyed
    // unused, and the client sees a connection that its peer has closed, as with a socket.
    const bool is_there = place->door.Post([place, server = std::move(pipe.server)]() mutable {
      if (place->is_open) place->on_accept(std::move(server));  // may destroy the listener
    });
    // The listener went between the look at the names and the knock at its door.
    if (!is_there) {
      return done(Fail(ErrorCode::kUnavailable, "nothing listens at {}", endpoint));
    }
    done(std::move(pipe.client));
  }

  EventLoop& loop_;
  std::shared_ptr<InprocessNames> names_;  // owners: all transports that share them
  std::uint64_t made_ = 0;
  Lifetime alive_;
};

}  // namespace

std::shared_ptr<InprocessNames> NamesOfThisProcess() {
  // Not a dependency that is handed down: what can be reached inside a process is one set, as ports
  // are one set for a machine (decision 0011).
  static const auto names = std::make_shared<InprocessNames>();
  return names;
}

std::unique_ptr<Transport> MakeInprocessTransport(EventLoop& loop,
                                                  std::shared_ptr<InprocessNames> names) {
  // Tests run many clusters in one process, each with names of its own.
  if (names == nullptr) names = std::make_shared<InprocessNames>();
  return std::make_unique<InprocessTransport>(loop, std::move(names));
}

Kind<Transport>::Made MakeInprocess(ConfigReader& /*config*/, const Transport::Context& context) {
  return MakeInprocessTransport(context.loop, NamesOfThisProcess());
}

}  // namespace mobula::transport
