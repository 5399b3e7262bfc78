/// \file
/// \brief Connections between processes: ordered, reliable, of whole frames.
///
/// A `Transport` makes `Connection`s to an endpoint, a URI: `tcp://10.0.0.5:6379`,
/// `unix:///run/x.sock`, `shm+unix:///run/x.sock`, `inproc://name`, `sim://n1/gcs`. Kinds are
/// chosen in YAML; decorators wrap another transport (`authenticated` adds the handshake, `faulty`
/// breaks things on purpose).
/// Called by: rpc/. Book: \ref ch_transport.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "components/base/event_loop.h"
#include "components/base/ids.h"
#include "components/base/kinds.h"
#include "components/base/random.h"
#include "components/base/result.h"
#include "components/transport/frame.h"

namespace mobula {
class RealEventLoop;
}  // namespace mobula

namespace mobula::transport {

/// Who is on the other side, as its handshake proved it.
struct PeerIdentity {
  std::string role;   ///< "gcs", "raylet", "worker", "driver", "tool".
  std::string build;  ///< Build name of its Mobula library.
  ClusterId cluster;  ///< The cluster it belongs to; nil for one that joins.
  std::string id;     ///< Hex node or worker id; empty if it has none.
};

/// Gets what arrives on one connection. All calls on the loop, none after `OnClose`.
class ConnectionHandler {
 public:
  virtual ~ConnectionHandler() = default;

  /// Says where the `header.attachment_bytes` of a frame shall go; its body is already here.
  /// The memory must have exactly that size. An error drops the bytes; the frame then arrives
  /// with an empty attachment and `header.attachment_bytes` still set.
  [[nodiscard]] virtual Result<WritablePayload> PlaceAttachment(const FrameHeader& header,
                                                                std::string_view body) = 0;
  /// One whole frame, in the order sent. May close or destroy the connection.
  virtual void OnFrame(Frame frame) = 0;
  /// The connection is over; once, never inside a call to the connection. kUnavailable when the
  /// peer closed or died, kCorrupt when it sent what is no frame, kResourceExhausted at a limit.
  virtual void OnClose(const Error& reason) = 0;
};

//! [connection-interface]
/// One end of a connection.
///
/// Threads: the state lock. Lifetime: destruction closes at once and silently; the handler outlives
/// the connection or is replaced. Frames arrive in the order sent, whole, once, or not at all.
class Connection {
 public:
  virtual ~Connection() = default;

  /// Names the receiver of frames. Nothing is delivered before the first call.
  virtual void SetHandler(ConnectionHandler* handler) = 0;
  /// Bounds for what arrives and what waits to leave; until then kUnauthenticatedLimits.
  virtual void SetLimits(const ConnectionLimits& limits) = 0;

  /// Queues a frame. After a close it is dropped, and `OnClose` has come or will come.
  /// Cost: no copy of the attachment, no system call before `Flush`.
  virtual void Send(Frame frame) = 0;
  /// Publishes what is queued, in as few system calls as possible. Without it frames leave soon
  /// anyway: at the end of the current loop turn.
  virtual void Flush() = 0;
  /// Sends what is queued as far as it goes without waiting, then closes. `OnClose` does not come.
  virtual void Close() = 0;

  /// \return bodies and attachments queued and not yet handed to the peer's side.
  [[nodiscard]] virtual std::uint64_t QueuedBytes() const = 0;
  /// \return "tcp://10.0.0.5:40122", for messages.
  [[nodiscard]] virtual std::string Describe() const = 0;
  /// \return null until a handshake has proved it.
  [[nodiscard]] virtual const PeerIdentity* Peer() const = 0;
};
//! [connection-interface]

/// An endpoint that accepts; destroying it stops accepting and leaves its connections alone.
class Listener {
 public:
  virtual ~Listener() = default;
  /// \return the endpoint others connect to, with the real port when 0 was asked for.
  [[nodiscard]] virtual std::string Endpoint() const = 0;
};

/// What the connections of a transport can do. Whatever puts processes together asks, instead of
/// knowing the kinds by name.
struct TransportAbilities {
  /// The farthest peer that an endpoint can name.
  enum class Reach : std::uint8_t { kProcess, kHost, kOtherHosts };
  Reach reach = Reach::kProcess;
  bool passes_descriptors = false;  ///< `Frame::descriptor` arrives.
};

/// Makes connections of one kind.
///
/// A decorator has the scheme and the abilities of what it wraps.
/// Threads: the state lock. Lifetime: outlives its listeners and connections.
class Transport {
 public:
  using OnAccept = std::move_only_function<void(std::unique_ptr<Connection>)>;
  using OnConnect = Done<std::unique_ptr<Connection>>;
  /// What the makers of kinds are given. The loop outlives what they make.
  struct Context {
    EventLoop& loop;
    RealEventLoop& real_loop;  ///< The same; for those that wait for sockets and descriptors.
    Random random;
    const Kinds<Transport>& kinds;  ///< For decorators, to make what they wrap.
    std::string_view usual_kind;    ///< Where it will serve: what a section without a kind means.
  };
  virtual ~Transport() = default;

  /// Accepts connections at `endpoint`. kAlreadyExists when it is in use ("port 6379 on 127.0.0.1
  /// is in use"), kInvalidArgument when it is malformed or not of this kind, kInternal otherwise.
  [[nodiscard]] virtual Result<std::unique_ptr<Listener>> Listen(std::string_view endpoint,
                                                                 OnAccept on_accept) = 0;
  /// Connects; `done` is called once on the loop, never inside this call. kUnavailable with the
  /// endpoint when nobody is there, kDeadlineExceeded after `timeout`, kPermissionDenied and
  /// kVersionMismatch from the handshake.
  virtual void Connect(std::string_view endpoint, Duration timeout, OnConnect done) = 0;

  /// \return the scheme of its endpoints, such as "tcp". Those of a transport that reaches other
  ///         hosts are `scheme://host:port`; of others `scheme:///path`, which need not be a file.
  [[nodiscard]] virtual std::string_view Scheme() const = 0;
  [[nodiscard]] virtual TransportAbilities Abilities() const = 0;
};

/// The parts of an endpoint URI.
struct Endpoint {
  std::string scheme;  ///< "tcp", "unix", "shm+unix", "inproc", "sim".
  std::string host;    ///< tcp only; an IPv4 address or a name.
  std::uint16_t port = 0;
  std::string path;  ///< Everything after "://" for other schemes.
};
/// \return the parts of `text`. kInvalidArgument with an example when it is malformed. "H:P"
///         without a scheme is tcp.
[[nodiscard]] Result<Endpoint> ParseEndpoint(std::string_view text);

}  // namespace mobula::transport
