#include "components/transport/stream/stream_transport.h"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>

#include "components/base/check.h"
#include "components/base/real/event_loop.h"

namespace mobula {
namespace {

using Waiter = boost::asio::posix::stream_descriptor;

constexpr int kAcceptsPerTurn = 64;
constexpr Duration kBusyPause = std::chrono::milliseconds(5);

bool IsOutOfDescriptors(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

class StreamAcceptor::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(RealEventLoop& loop, Descriptor listening, OnSocket on_socket)
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

  void Stop() {
    open_ = false;
    pause_.Cancel();
    boost::system::error_code ignored;
    socket_.close(ignored);
  }

  [[nodiscard]] int fd() { return socket_.native_handle(); }

 private:
  void Accept() {
    for (int i = 0; i < kAcceptsPerTurn && open_; ++i) {
      Descriptor accepted(::accept4(fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (accepted.IsOpen()) {
        on_socket_(std::move(accepted));  // may stop this
      } else if (IsOutOfDescriptors(errno)) {
        pause_.Set(kAcceptPause, [this] { Wait(); });
        return;
      } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        break;
      }  // else that one client is gone; look for the next
    }
    if (open_) Wait();
  }

  RealEventLoop& loop_;
  Waiter socket_;
  OnSocket on_socket_;
  Timer pause_;
  bool open_ = true;
};

StreamAcceptor::StreamAcceptor(RealEventLoop& loop, Descriptor listening, OnSocket on_socket)
    : impl_(std::make_shared<Impl>(loop, std::move(listening), std::move(on_socket))) {
  impl_->Wait();
}
StreamAcceptor::~StreamAcceptor() { impl_->Stop(); }
int StreamAcceptor::fd() const { return impl_->fd(); }

namespace {

/// One connection in the making. Owners: the wait, timer or post under way.
class Attempt : public std::enable_shared_from_this<Attempt> {
 public:
  using Done = std::move_only_function<void(Result<Descriptor>)>;
  Attempt(RealEventLoop& loop, const SocketAddress& address, std::string endpoint, Done done)
      : loop_(loop),
        address_(address),
        endpoint_(std::move(endpoint)),
        done_(std::move(done)),
        socket_(loop.context()),
        timeout_(loop),
        pause_(loop) {}

  void Start(Duration timeout) {
    timeout_.Set(timeout, [self = shared_from_this()] {
      self->End(Fail(ErrorCode::kDeadlineExceeded, "{} did not answer in time", self->endpoint_));
    });
    loop_.Post([self = shared_from_this()] { self->Try(); });
  }

 private:
  void Try() {
    if (done_ == nullptr) return;
    auto socket = OpenSocket(address_.family());
    if (!socket) {
      End(Fail(std::move(socket.error())));
      return;
    }
    const int fd = socket->get();
    if (::connect(fd, address_.get(), address_.size) == 0) {
      Up(std::move(*socket));
    } else if (errno == EINPROGRESS) {
      boost::system::error_code error;
      socket_.assign(fd, error);
      if (error) {
        End(Fail(ErrorCode::kResourceExhausted, "{}: {}", endpoint_, error.message()));
        return;
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
      Refused(ECONNREFUSED);
      return;
    }
    End(std::move(socket));
  }

  void Refused(int error) {
    if (error == ECONNREFUSED || error == ENOENT) {
      End(Fail(ErrorCode::kUnavailable, "nothing listens at {}", endpoint_));
    } else {
      End(Fail(ErrorCode::kUnavailable, "{} cannot be reached: {}", endpoint_, SystemText(error)));
    }
  }

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
  Done done_;
  Waiter socket_;
  Timer timeout_;
  Timer pause_;
};

}  // namespace

void ConnectStream(RealEventLoop& loop, const SocketAddress& address, std::string endpoint,
                   Duration timeout, std::move_only_function<void(Result<Descriptor>)> done) {
  std::make_shared<Attempt>(loop, address, std::move(endpoint), std::move(done))->Start(timeout);
}

}  // namespace mobula
