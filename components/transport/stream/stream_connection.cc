// \edge: another transport behind the same interface
#include "components/transport/stream/stream_connection.h"

#include <array>
#include <cerrno>
#include <deque>
#include <optional>

#include "components/base/real/event_loop.h"
#include "components/transport/stream/frame_reader.h"
#include "components/transport/stream/send_queue.h"

namespace mobula::transport {
namespace {

constexpr std::size_t kPartsMax = 128;  // of one write
constexpr int kReadsPerTurn = 16;       // then others get their turn

/// The connection itself. Owners: its `Connection`, and the waits and posts under way.
class Core final : public std::enable_shared_from_this<Core> {
 public:
  Core(std::shared_ptr<StreamContext> context, std::unique_ptr<ByteChannel> channel,
       std::string describe, bool passes_descriptors)
      : context_(std::move(context)),
        channel_(std::move(channel)),
        describe_(std::move(describe)),
        passes_descriptors_(passes_descriptors) {}

  void SetHandler(ConnectionHandler* handler) {
    handler_ = handler;
    if (handler_ == nullptr || !open_) return;
    // Bytes that came without a handler wait here and not in the socket, so the socket would not
    // wake us for them. They are delivered by a post: never inside this call.
    if (held_.empty() && !write_error_) {
      WaitReadable();
    } else {
      context_->loop.Post([self = shared_from_this()] { self->Step(); });
    }
  }

  void Send(Frame frame) {
    if (!open_ || write_error_) return;
    if (frame.descriptor >= 0 && !passes_descriptors_) {
      return FailWrites(
          Error(ErrorCode::kInternal, "{}: this kind passes no descriptors", describe_));
    }
    if (!queue_.Push(std::move(frame))) {
      FailWrites(Error(ErrorCode::kResourceExhausted, "{}: too many open files to pass one on",
                       describe_));
      return;
    }
    if (queue_.body_bytes() > limits_.queued_bytes_max) {
      return FailWrites(Error(ErrorCode::kResourceExhausted,
                              "{}: {} bytes wait to be sent, allowed are {}", describe_,
                              queue_.body_bytes(), limits_.queued_bytes_max));
    }
    // One flush at the end of the turn sends all that its callbacks queued.
    if (flush_posted_ || write_waiting_) return;
    flush_posted_ = true;
    context_->loop.Defer([self = shared_from_this()] {
      self->flush_posted_ = false;
      self->Flush();
    });
  }

  void Flush() {
    if (!open_ || write_waiting_ || write_error_ || queue_.empty()) return;
    if (const int error = Write(); error == EAGAIN) {
      // The peer reads slower than we write. The queue grows meanwhile, up to its bound.
      write_waiting_ = true;
      channel_->AwaitWritable([self = shared_from_this()] {
        self->write_waiting_ = false;
        self->Flush();
      });
    } else if (error != 0) {
      FailWrites(Error(ErrorCode::kUnavailable, "{}: {}", describe_, SystemText(error)));
    }
  }

  void Close() {
    if (!open_) return;
    if (!write_error_) (void)Write();
    Shut();
  }

  void SetLimits(const ConnectionLimits& limits) { limits_ = limits; }
  [[nodiscard]] std::uint64_t QueuedBytes() const { return queue_.bytes(); }
  [[nodiscard]] const std::string& Describe() const { return describe_; }

 private:
  /// Sends what it can. \return 0 when nothing is left, else errno.
  int Write() {
    while (!queue_.empty()) {
      std::array<iovec, kPartsMax> parts;
      const std::size_t used = queue_.Fill(parts);
      const ssize_t sent = channel_->Write(std::span(parts).first(used), queue_.DescriptorToPass());
      if (sent >= 0) {
        queue_.Consume(static_cast<std::uint64_t>(sent));
      } else if (sent != -EINTR) {
        return static_cast<int>(-sent);
      }
    }
    return 0;
  }

  /// Nothing more can be sent; the end comes with the next step.
  /// The handler is told by a step and not here, as this may run inside a call of its owner.
  void FailWrites(Error reason) {
    write_error_ = std::move(reason);
    queue_.Clear();
    context_->loop.Post([self = shared_from_this()] { self->Step(); });
  }

  void WaitReadable() {
    if (read_waiting_ || !open_) return;
    read_waiting_ = true;
    channel_->AwaitReadable([self = shared_from_this()] {
      self->read_waiting_ = false;
      self->Step();
    });
  }

  /// Hands over what was held back, then what the socket has. What a peer said before it left still
  /// counts, it is often the reason; so a failed write ends the connection only after that.
  void Step() {
    const auto self = shared_from_this();  // the handler may destroy the connection
    if (!held_.empty() && handler_ != nullptr) {
      const std::vector<std::byte> bytes = std::exchange(held_, {});
      Process(bytes);
    }
    // A bound of our own that is broken (kResourceExhausted, kInternal) says nothing of the peer:
    // there is no last word to wait for.
    if (!write_error_ || write_error_->code() == ErrorCode::kUnavailable) Read();
    if (!open_ || handler_ == nullptr) return;
    if (write_error_) {
      Finish(*write_error_);
    } else {
      WaitReadable();
    }
  }

  void Read() {
    for (int i = 0; i < kReadsPerTurn && open_ && handler_ != nullptr; ++i) {
      // Bytes of an attachment go straight to their place; what follows them goes to a buffer that
      // all connections of this loop share, as it never outlives this turn.
      const std::span<std::byte> direct = reader_.Direct();
      std::span<std::byte> scratch(context_->scratch);
      const ssize_t got = channel_->Read(direct, scratch, descriptors_);
      if (got == -EINTR) continue;
      if (got == -EAGAIN || got == -EWOULDBLOCK) return;
      if (got <= 0) return FinishRead(static_cast<int>(-got));
      const auto size = static_cast<std::size_t>(got);
      const std::size_t in_place = std::min(size, direct.size());
      if (in_place > 0) reader_.Advance(in_place);
      Process(scratch.first(size - in_place));
      if (size < direct.size() + scratch.size()) return;  // the socket was empty
    }
  }

  void FinishRead(int error) {
    const std::string how = error == 0         ? "connection closed by peer"
                            : error == EBADMSG ? "not a connection of ours: no shared memory came"
                            : error == ECONNRESET || error == EPIPE ? "connection reset"
                                                                    : SystemText(error);
    Finish(Error(error == EBADMSG ? ErrorCode::kCorrupt : ErrorCode::kUnavailable,
                 fmt::format("{}: {}", describe_, how)));
  }

  /// Turns bytes into frames and hands them over. Every call of the handler may end this.
  void Process(std::span<const std::byte> bytes) {
    while (open_ && handler_ != nullptr) {
      if (reader_.stage() == FrameReader::Stage::kPlace) {
        // Header and body are whole, so the handler can say where the attachment belongs.
        const Frame& frame = reader_.frame();
        reader_.Place(handler_->PlaceAttachment(frame.header, frame.body));
      } else if (reader_.stage() == FrameReader::Stage::kReady) {
        Deliver(reader_.Take());
      } else if (bytes.empty()) {
        // Descriptors come with or before the frame that announces them. A peer that sends many
        // and never announces them would use up ours.
        if (descriptors_.size() <= ByteChannel::kDescriptorsMax) return;
        return Refuse("descriptors that no frame announces");
      } else {
        const auto taken = reader_.Feed(bytes, limits_);
        if (!taken) return Finish(Error(taken.error()).Context(describe_));
        bytes = bytes.subspan(*taken);
      }
    }
    // The handler was taken away in the middle: the rest is for the next one.
    if (open_) held_.assign(bytes.begin(), bytes.end());
  }

  void Deliver(Frame frame) {
    if ((frame.header.flags & kFrameHasDescriptor) != 0) {
      if (descriptors_.empty()) {
        return Refuse("a frame that announces a descriptor and brings none");
      }
      frame.descriptor = descriptors_.front().Release();
      descriptors_.pop_front();
    }
    handler_->OnFrame(std::move(frame));
  }

  void Refuse(std::string_view what) {
    Finish(Error(ErrorCode::kCorrupt, "{} sent {}", describe_, what));
  }

  /// Ends the connection from within. \pre on the loop, outside any call to it, with a handler.
  void Finish(Error reason) {
    ConnectionHandler* handler = handler_;
    Shut();
    handler->OnClose(reason);
  }

  void Shut() {
    open_ = false;
    handler_ = nullptr;
    queue_.Clear();
    held_.clear();
    descriptors_.clear();
    channel_->Shut();
  }

  std::shared_ptr<StreamContext> context_;
  std::unique_ptr<ByteChannel> channel_;
  const std::string describe_;
  const bool passes_descriptors_;
  ConnectionLimits limits_ = kUnauthenticatedLimits;
  bool open_ = true;

  // Writing.
  SendQueue queue_;
  bool flush_posted_ = false;
  bool write_waiting_ = false;
  std::optional<Error> write_error_;  // why nothing more can be sent

  // Reading.
  ConnectionHandler* handler_ = nullptr;
  FrameReader reader_;
  std::vector<std::byte> held_;  // received while there was no handler
  std::deque<Descriptor> descriptors_;
  bool read_waiting_ = false;
};

class StreamConnection final : public Connection {
 public:
  explicit StreamConnection(std::shared_ptr<Core> core) : core_(std::move(core)) {}
  ~StreamConnection() override { core_->Close(); }

  void SetHandler(ConnectionHandler* handler) override { core_->SetHandler(handler); }
  void SetLimits(const ConnectionLimits& limits) override { core_->SetLimits(limits); }
  void Send(Frame frame) override { core_->Send(std::move(frame)); }
  void Flush() override { core_->Flush(); }
  void Close() override { core_->Close(); }
  [[nodiscard]] std::uint64_t QueuedBytes() const override { return core_->QueuedBytes(); }
  [[nodiscard]] std::string Describe() const override { return core_->Describe(); }
  [[nodiscard]] const PeerIdentity* Peer() const override { return nullptr; }

 private:
  std::shared_ptr<Core> core_;  // owners: this, and the waits and posts under way
};

}  // namespace

std::unique_ptr<Connection> MakeStreamConnection(std::shared_ptr<StreamContext> context,
                                                 std::unique_ptr<ByteChannel> channel,
                                                 std::string describe, bool passes_descriptors) {
  return std::make_unique<StreamConnection>(std::make_shared<Core>(
      std::move(context), std::move(channel), std::move(describe), passes_descriptors));
}

}  // namespace mobula::transport
