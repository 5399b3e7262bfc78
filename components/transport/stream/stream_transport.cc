#include "components/transport/stream/stream_transport.h"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>

#include "components/base/check.h"
#include "components/base/lifetime.h"
#include "components/base/real/event_loop.h"
#include "components/transport/stream/stream_connection.h"

namespace mobula::transport {
namespace {

using Waiter = boost::asio::posix::stream_descriptor;

constexpr int kAcceptsPerTurn = 64;
constexpr Duration kAcceptPause = std::chrono::milliseconds(100);
constexpr Duration kBusyPause = std::chrono::milliseconds(5);

bool IsOutOfDescriptors(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/// Accepts on a listening socket. Owners: its listener, and the wait under way.
class Acceptor : public std::enable_shared_from_this<Acceptor> {
 public:
  using OnSocket = std::move_only_function<void(Descriptor)>;
  Acceptor(RealEventLoop& loop, Descriptor listening, OnSocket on_socket)
      : loop_(loop), socket_(loop.context()), on_socket_(std::move(on_socket)), pause_(loop) {
    boost::system::error_code error;
    socket_.assign(listening.Release(), error);
    Check(!error, "a listening socket can be waited for");
  }

  void Wait() {
    socket_.async_wait(
        Waiter::wait_read,
        loop_.Locked([self = shared_from_this()](const boost::system::error_code& error) {
          if (!error) self->Accept();
        }));
  }

  /// A wait under way ends with an error and its share of this; a socket accepted in this very turn
  /// is the last.
  void Stop() {
    open_ = false;
    pause_.Cancel();
    boost::system::error_code ignored;
    socket_.close(ignored);
  }

 private:
  void Accept() {
    for (int i = 0; i < kAcceptsPerTurn && open_; ++i) {
      Descriptor accepted(
          ::accept4(socket_.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (accepted.IsOpen()) {
        on_socket_(std::move(accepted));  // may stop this
      } else if (IsOutOfDescriptors(errno)) {
        // The socket stays readable, so waiting for it would spin. Clients stay in the backlog.
        pause_.Set(kAcceptPause, [this] { Wait(); });
        return;
      } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        break;
      }  // else that one client is gone; look for the next
    }
    // The backlog is empty, or other work of the loop has its turn before more is accepted.
    if (open_) Wait();
  }

  RealEventLoop& loop_;
  Waiter socket_;
  OnSocket on_socket_;
  Timer pause_;
  bool open_ = true;
};

/// One connection in the making. Owners: the wait, timer or post under way.
class Attempt : public std::enable_shared_from_this<Attempt> {
 public:
  Attempt(RealEventLoop& loop, const SocketAddress& address, std::string endpoint,
          Done<Descriptor> done)
      : loop_(loop),
        address_(address),
        endpoint_(std::move(endpoint)),
        done_(std::move(done)),
        socket_(loop.context()),
        timeout_(loop),
        pause_(loop) {}

  void Start(Duration timeout) {
    // One timeout for the whole: a listener whose queue is full is tried again within the same
    // time.
    timeout_.Set(timeout, [self = shared_from_this()] {
      self->End(Fail(ErrorCode::kDeadlineExceeded, "{} did not answer in time", self->endpoint_));
    });
    // In a later turn, so that even a connect that fails at once does not call back inside
    // `Connect`.
    loop_.Post([self = shared_from_this()] { self->Try(); });
  }

 private:
  void Try() {
    if (done_ == nullptr) return;
    auto socket = OpenSocket(address_.family());
    // Each try has a socket of its own: one that was refused cannot be connected again.
    if (!socket) return End(Fail(std::move(socket.error())));
    const int fd = socket->get();
    // A unix socket connects at once or not at all; a tcp one takes a round trip.
    if (::connect(fd, address_.get(), address_.size) == 0) {
      Up(std::move(*socket));
    } else if (errno == EINPROGRESS) {
      // The socket becomes writable when the peer has answered, or refused.
      boost::system::error_code error;
      socket_.assign(fd, error);
      if (error) {
        return End(Fail(ErrorCode::kResourceExhausted, "{}: {}", endpoint_, error.message()));
      }
      (void)socket->Release();
      socket_.async_wait(Waiter::wait_write,
                         loop_.Locked([self = shared_from_this()](
                                          const boost::system::error_code&) { self->Check(); }));
    } else if (errno == EAGAIN) {  // a unix listener whose queue is full
      pause_.Set(kBusyPause, [self = shared_from_this()] { self->Try(); });
    } else {
      Refused(errno);
    }
  }

  void Check() {
    if (done_ == nullptr) return;
    // The outcome of the connect is kept at the socket; writable means only that there is one.
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(socket_.native_handle(), SOL_SOCKET, SO_ERROR, &error, &size);
    Descriptor socket(socket_.release());
    if (error == 0) {
      Up(std::move(socket));
    } else {
      Refused(error);
    }
  }

  void Up(Descriptor socket) {
    // A connect to a free local port can meet itself: both ends are this socket.
    const SocketAddress local = LocalAddress(socket.get());
    if (local.family() == AF_INET &&
        FormatAddress(local) == FormatAddress(RemoteAddress(socket.get()))) {
      return Refused(ECONNREFUSED);
    }
    End(std::move(socket));
  }

  void Refused(int error) {
    // The host answered that there is nobody (a port, or a socket file), or it did not answer.
    if (error == ECONNREFUSED || error == ENOENT) {
      End(Fail(ErrorCode::kUnavailable, "nothing listens at {}", endpoint_));
    } else {
      End(Fail(ErrorCode::kUnavailable, "{} cannot be reached: {}", endpoint_, SystemText(error)));
    }
  }

  /// Success, refusal or timeout, whichever is first; the others find `done_` empty.
  void End(Result<Descriptor> result) {
    if (done_ == nullptr) return;
    timeout_.Cancel();
    pause_.Cancel();
    boost::system::error_code ignored;
    socket_.close(ignored);
    std::exchange(done_, nullptr)(std::move(result));
  }

  RealEventLoop& loop_;
  const SocketAddress address_;
  const std::string endpoint_;
  Done<Descriptor> done_;
  Waiter socket_;
  Timer timeout_;
  Timer pause_;
};

class StreamListener final : public Listener {
 public:
  StreamListener(RealEventLoop& loop, ListeningSocket listening, Acceptor::OnSocket on_socket)
      : endpoint_(std::move(listening.endpoint)),
        keep_(std::move(listening.keep)),
        acceptor_(
            std::make_shared<Acceptor>(loop, std::move(listening.socket), std::move(on_socket))) {
    acceptor_->Wait();
  }
  ~StreamListener() override {
    // The name goes first: a new listener may take it while this socket is still open.
    keep_.reset();
    acceptor_->Stop();
  }
  [[nodiscard]] std::string Endpoint() const override { return endpoint_; }

 private:
  std::string endpoint_;
  std::shared_ptr<void> keep_;
  std::shared_ptr<Acceptor> acceptor_;
};

class StreamTransport final : public Transport {
 public:
  StreamTransport(RealEventLoop& loop, SocketKind kind)
      : loop_(loop), kind_(kind), context_(std::make_shared<StreamContext>(loop)) {}

  Result<std::unique_ptr<Listener>> Listen(std::string_view endpoint, OnAccept on_accept) override {
    // The kind knows addresses. What follows is the same for all sockets.
    Result<ListeningSocket> listening = kind_.listen(endpoint);
    if (!listening) return Fail(std::move(listening.error()));
    auto accept = [make = MakerFor(SocketEnd::kAccepted, listening->endpoint),
                   on_accept = std::move(on_accept)](Descriptor socket) mutable {
      on_accept(make(std::move(socket)));
    };
    return std::make_unique<StreamListener>(loop_, std::move(*listening), std::move(accept));
  }

  void Connect(std::string_view endpoint, Duration timeout, OnConnect done) override {
    auto address = kind_.resolve(endpoint);
    // An endpoint that cannot be read is reported like one that cannot be reached: later, on the
    // loop.
    if (!address) {
      return loop_.Post([done = std::move(done), error = std::move(address.error())]() mutable {
        done(Fail(std::move(error)));
      });
    }
    std::string name(endpoint);
    auto connected = [make = MakerFor(SocketEnd::kConnected, name),
                      done = std::move(done)](Result<Descriptor> socket) mutable {
      if (!socket) return done(Fail(std::move(socket.error())));
      done(make(std::move(*socket)));
    };
    std::make_shared<Attempt>(loop_, *address, std::move(name), alive_.Bind(std::move(connected)))
        ->Start(timeout);
  }
  [[nodiscard]] std::string_view Scheme() const override { return kind_.scheme; }
  [[nodiscard]] TransportAbilities Abilities() const override { return kind_.abilities; }

 private:
  /// \return what makes a connection of a socket, also when this is gone.
  std::move_only_function<std::unique_ptr<Connection>(Descriptor)> MakerFor(SocketEnd end,
                                                                            std::string endpoint) {
    return
        [context = context_, kind = kind_, end, endpoint = std::move(endpoint)](Descriptor socket) {
          const bool passes = kind.abilities.passes_descriptors;
          // The socket is configured before its first byte, and may be upgraded to rings of shared
          // memory.
          std::string describe = kind.prepare(socket.get(), end, endpoint);
          auto channel = kind.upgrade == nullptr
                             ? MakeSocketChannel(context->loop, std::move(socket), passes)
                             : kind.upgrade(context->loop, std::move(socket), end);
          return MakeStreamConnection(context, std::move(channel), std::move(describe), passes);
        };
  }

  RealEventLoop& loop_;
  const SocketKind kind_;
  std::shared_ptr<StreamContext> context_;  // owners: this and its connections
  Lifetime alive_;
};

}  // namespace

std::unique_ptr<Transport> MakeStreamTransport(RealEventLoop& loop, SocketKind kind) {
  return std::make_unique<StreamTransport>(loop, kind);
}

}  // namespace mobula::transport
