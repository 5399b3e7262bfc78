/// \file
/// \brief Accepting and connecting stream sockets; shared by the tcp and unix kinds.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "components/base/lifetime.h"
#include "components/transport/stream/descriptor.h"
#include "components/transport/stream/stream_connection.h"
#include "components/transport/transport.h"

namespace mobula {

/// Accepts on a listening socket. When the process has no descriptors left it pauses for
/// `kAcceptPause` and goes on. Threads: the state lock.
class StreamAcceptor final {
 public:
  static constexpr Duration kAcceptPause = std::chrono::milliseconds(100);
  using OnSocket = std::function<void(Descriptor)>;

  StreamAcceptor(RealEventLoop& loop, Descriptor listening, OnSocket on_socket);
  ~StreamAcceptor();
  StreamAcceptor(const StreamAcceptor&) = delete;
  StreamAcceptor& operator=(const StreamAcceptor&) = delete;

  [[nodiscard]] int fd() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;  // owners: this, and the wait under way
};

/// Connects a new socket to `address`; `done` runs once on the loop, never inside this call.
/// kUnavailable when nobody is there, kDeadlineExceeded after `timeout`.
/// \param endpoint for messages.
void ConnectStream(RealEventLoop& loop, const SocketAddress& address, std::string endpoint,
                   Duration timeout, std::move_only_function<void(Result<Descriptor>)> done);

}  // namespace mobula
