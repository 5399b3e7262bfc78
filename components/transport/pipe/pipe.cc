#include "components/transport/pipe/pipe.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <deque>
#include <optional>
#include <vector>

#include "components/base/check.h"

namespace mobula::transport {
namespace {

/// What one end knows. Grouped by direction.
struct End {
  explicit End(PipeSide s) : side(std::move(s)) {}

  PipeSide side;
  ConnectionLimits limits = kUnauthenticatedLimits;
  bool open = true;  // false: nothing more is sent, delivered or reported

  // Outgoing.
  std::vector<Frame> unsent;
  bool flush_posted = false;
  // Counted up here, and down by the far end: its loop may be another thread.
  std::atomic<std::uint64_t> queued_bytes = 0;
  std::atomic<std::uint64_t> queued_body_bytes = 0;

  // Incoming.
  ConnectionHandler* handler = nullptr;
  std::deque<Frame> arrived;
  std::optional<Error> end_reason;  // reported once `arrived` is empty
};

void CloseDescriptors(auto& frames) {
  for (Frame& frame : frames) {
    if (frame.descriptor >= 0) ::close(frame.descriptor);
  }
  frames.clear();
}

/// Both ends. Owners: the two connections, and callbacks under way.
class Core : public std::enable_shared_from_this<Core> {
 public:
  Core(PipeSide client, PipeSide server, std::shared_ptr<Wire> wire)
      : ends_{End(std::move(client)), End(std::move(server))}, wire_(std::move(wire)) {}
  ~Core() {
    for (End& end : ends_) {
      CloseDescriptors(end.unsent);
      CloseDescriptors(end.arrived);
    }
  }
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  End& At(PipeEnd which) { return ends_[static_cast<std::size_t>(which)]; }
  static PipeEnd Other(PipeEnd which) {
    return which == PipeEnd::kClient ? PipeEnd::kServer : PipeEnd::kClient;
  }

  void Send(PipeEnd from, Frame frame) {
    End& end = At(from);
    if (!end.open || end.end_reason) return;
    frame.header.body_bytes = static_cast<std::uint32_t>(frame.body.size());
    frame.header.attachment_bytes = frame.attachment.size();
    // The sender may close its own descriptor as soon as this returns, so the frame has a copy.
    if (frame.descriptor >= 0) frame.descriptor = ::fcntl(frame.descriptor, F_DUPFD_CLOEXEC, 0);
    end.queued_bytes += frame.body.size() + frame.attachment.size();
    end.queued_body_bytes += frame.body.size();
    end.unsent.push_back(std::move(frame));
    // A sender that does not slow down would fill the memory. The connection ends, as with a
    // socket.
    if (end.queued_body_bytes > end.limits.queued_bytes_max) {
      return Break(from, Error(ErrorCode::kResourceExhausted,
                               "{}: {} bytes wait to be sent, allowed are {}", end.side.describe,
                               end.queued_body_bytes.load(), end.limits.queued_bytes_max));
    }
    // Frames leave at the end of this turn, all together, unless somebody flushes before.
    if (end.flush_posted) return;
    end.flush_posted = true;
    end.side.loop->Post([self = shared_from_this(), from] { self->Flush(from); });
  }

  void Flush(PipeEnd from) {
    End& end = At(from);
    end.flush_posted = false;
    if (!end.open || end.unsent.empty()) return;
    auto batch = std::make_shared<Batch>(std::exchange(end.unsent, {}));
    for (Frame& frame : batch->frames) {  // as a kernel does: the sender may be gone on arrival
      if (frame.attachment.empty()) continue;
      frame.attachment = Payload::FromString(std::string(frame.attachment.text()));
    }
    wire_->Carry(from, [self = shared_from_this(), from, batch] { self->Arrive(from, *batch); });
  }

  /// Ends this side by its own wish; the other side learns of it.
  void Close(PipeEnd which) {
    End& end = At(which);
    if (!end.open) return;
    // If this end is broken already, the other side was told then.
    if (!end.end_reason) {
      Flush(which);
      TellOther(which);
    }
    end.open = false;
    end.handler = nullptr;
    CloseDescriptors(end.unsent);
    CloseDescriptors(end.arrived);
  }

  void Leave(PipeEnd which) { wire_->Leave(which); }

  /// Ends this side because of an error; its handler hears of it later, the other side too.
  void Break(PipeEnd which, Error reason) {
    // What waits here is lost, in both directions, like the bytes in a connection that was reset.
    CloseDescriptors(At(which).unsent);
    CloseDescriptors(At(which).arrived);
    TellOther(which);
    At(which).side.loop->Post([self = shared_from_this(), which] { self->Deliver(which); });
    At(which).end_reason = std::move(reason);
  }

  /// Ends this side as the far side or the network did.
  void Finish(PipeEnd which, const Error& reason) {
    End& end = At(which);
    if (!end.open || end.end_reason) return;
    // Frames that arrived before stay readable; the end is reported behind them.
    end.end_reason = reason;
    Deliver(which);
  }

  void SetHandler(PipeEnd which, ConnectionHandler* handler) {
    End& end = At(which);
    end.handler = handler;
    // Frames that came while there was no handler have waited for this one. They are delivered in a
    // later turn, as the caller may not be ready inside this call.
    if (handler == nullptr || (end.arrived.empty() && !end.end_reason)) return;
    end.side.loop->Post([self = shared_from_this(), which] { self->Deliver(which); });
  }

 private:
  /// Frames under way, with their descriptors.
  struct Batch {
    explicit Batch(std::vector<Frame> f) : frames(std::move(f)) {}
    ~Batch() { CloseDescriptors(frames); }
    Batch(const Batch&) = delete;
    Batch& operator=(const Batch&) = delete;
    std::vector<Frame> frames;
  };

  void TellOther(PipeEnd which) {
    wire_->Carry(which, [self = shared_from_this(), to = Other(which)] {
      self->Finish(to, Error(ErrorCode::kUnavailable, "{}: connection closed by peer",
                             self->At(to).side.describe));
    });
  }

  void Arrive(PipeEnd from, Batch& batch) {
    // Only now are the bytes out of the sender's hands, as if a kernel had carried them.
    End& sender = At(from);
    for (const Frame& frame : batch.frames) {
      sender.queued_bytes -= frame.body.size() + frame.attachment.size();
      sender.queued_body_bytes -= frame.body.size();
    }
    End& end = At(Other(from));
    if (!end.open || end.end_reason) return;
    for (Frame& frame : batch.frames) end.arrived.push_back(std::move(frame));
    batch.frames.clear();
    Deliver(Other(from));
  }

  /// Hands over what has arrived. Every call of the handler may close, break or destroy this end.
  void Deliver(PipeEnd to) {
    const auto self = shared_from_this();
    End& end = At(to);
    while (end.open && end.handler != nullptr && !end.arrived.empty()) {
      Frame frame = std::move(end.arrived.front());
      end.arrived.pop_front();
      if (auto fits = CheckFrameLengths(frame.header, end.limits); !fits) {
        if (frame.descriptor >= 0) ::close(frame.descriptor);
        if (!end.end_reason) Break(to, std::move(fits.error()).Context(end.side.describe));
        break;
      }
      if (frame.header.attachment_bytes > 0) {
        const Payload source = std::exchange(frame.attachment, {});
        auto place = end.handler->PlaceAttachment(frame.header, frame.body);
        if (place) {
          Check(place->bytes.size() == source.size(), "an attachment is placed in its exact size");
          std::memcpy(place->bytes.data(), source.bytes().data(), source.size());
          frame.attachment = place->Freeze();
        }
        // The handler may have closed this end, or given up its place, inside the call above.
        if (!end.open || end.handler == nullptr) {
          if (frame.descriptor >= 0) ::close(frame.descriptor);
          return;
        }
      }
      end.handler->OnFrame(std::move(frame));
    }
    // The end is reported last, when all that was said before it has been delivered.
    if (end.open && end.handler != nullptr && end.arrived.empty() && end.end_reason) {
      end.open = false;
      std::exchange(end.handler, nullptr)->OnClose(*end.end_reason);
    }
  }

  std::array<End, 2> ends_;
  std::shared_ptr<Wire> wire_;  // owners: this pipe and whoever controls the wire
};

class PipeConnection final : public Connection {
 public:
  PipeConnection(std::shared_ptr<Core> core, PipeEnd end) : core_(std::move(core)), end_(end) {}
  ~PipeConnection() override {
    core_->Close(end_);
    core_->Leave(end_);
  }

  void SetHandler(ConnectionHandler* handler) override { core_->SetHandler(end_, handler); }
  void SetLimits(const ConnectionLimits& limits) override { core_->At(end_).limits = limits; }
  void Send(Frame frame) override { core_->Send(end_, std::move(frame)); }
  void Flush() override { core_->Flush(end_); }
  void Close() override { core_->Close(end_); }
  [[nodiscard]] std::uint64_t QueuedBytes() const override { return core_->At(end_).queued_bytes; }
  [[nodiscard]] std::string Describe() const override { return core_->At(end_).side.describe; }
  [[nodiscard]] const PeerIdentity* Peer() const override { return nullptr; }

 private:
  std::shared_ptr<Core> core_;  // owners: both ends and what is under way
  PipeEnd end_;
};

}  // namespace

Pipe MakePipe(PipeSide client, PipeSide server, std::shared_ptr<Wire> wire) {
  auto core = std::make_shared<Core>(std::move(client), std::move(server), std::move(wire));
  return {std::make_unique<PipeConnection>(core, PipeEnd::kClient),
          std::make_unique<PipeConnection>(core, PipeEnd::kServer),
          [weak = std::weak_ptr<Core>(core)](PipeEnd end, const Error& reason) {
            const auto alive = weak.lock();
            if (alive == nullptr || !alive->At(end).open) return;  // then its loop may be gone too
            alive->At(end).side.loop->Post([alive, end, reason] { alive->Finish(end, reason); });
          }};
}

}  // namespace mobula::transport
