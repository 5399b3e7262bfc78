#include "components/transport/shared_memory/ring_channel.h"

#include <sched.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <iterator>

#include "components/base/lifetime.h"
#include "components/base/real/event_loop.h"
#include "components/base/real/pollable.h"
#include "components/transport/frame.h"
#include "components/transport/shared_memory/ring_memory.h"

namespace mobula::transport {
namespace {

using Waiter = boost::asio::posix::stream_descriptor;

/// The first bytes on the socket. Beside them: the memory, the doorbell of the end that connected,
/// the doorbell of the other.
constexpr std::array<char, 4> kHello = {'M', 'B', 'R', kProtocolVersion};
constexpr std::size_t kHelloDescriptors = 3;

/// What is read from the socket at a time: nothing but bytes that bring descriptors.
constexpr std::size_t kTokensMax = ByteChannel::kDescriptorsMax;

class RingChannel final : public ByteChannel, private Pollable {
 public:
  RingChannel(RealEventLoop& loop, Descriptor socket, SocketEnd end)
      : loop_(loop), end_(end == SocketEnd::kConnected ? 0 : 1), socket_(loop.context()) {
    boost::system::error_code error;
    socket_.assign(socket.get(), error);
    // A descriptor that the loop cannot watch is of no use. Its owner learns of it on the first
    // read.
    if (error) {
      error_ = EMFILE;
      return;
    }
    (void)socket.Release();
    loop_.peers().Add(*this);
    if (end == SocketEnd::kConnected) Offer();
    WaitSocket();
  }
  ~RingChannel() override { Shut(); }

  ssize_t Write(std::span<const iovec> parts, int descriptor) override {
    if (error_ != 0) return -error_;
    if (!is_up_ || !writer_.HasRoom()) return -EAGAIN;
    if (descriptor >= 0) {  // before the frame that announces it
      char token = 0;
      const iovec part{&token, sizeof token};
      const ssize_t passed = SendWithDescriptors(socket_.native_handle(), std::span(&part, 1),
                                                 std::span(&descriptor, 1));
      if (passed < 0) return passed == -EAGAIN ? -ENOBUFS : passed;
      // The reader compares this count with what it took from the socket, and so knows what to wait
      // for.
      writer_.CountPassed();
    }
    const ssize_t written = writer_.Write(parts);
    // A reader that is awake sees the bytes by itself. One that has parked has said so in the ring
    // before it looked for the last time, and must be rung for: once, as this takes the flag down.
    if (written > 0 && writer_.TakeParked(::sched_getcpu())) {
      loop_.spin_budget().NotePeer(writer_.reader_core());
      Ring();
    }
    return written;
  }

  ssize_t Read(std::span<std::byte> direct, std::span<std::byte> scratch,
               std::deque<Descriptor>& descriptors) override {
    if (error_ != 0) return -error_;
    const bool was_over = is_over_;  // looked at first: all that came before the end is here
    const ssize_t got = is_up_ ? reader_.Read(direct, scratch) : 0;
    if (got == 0) return was_over ? 0 : -EAGAIN;
    if (got < 0) return got;
    // The writer found the ring full and waits for the room that we have just made.
    if (reader_.TakeWaiting()) Ring();
    // The bytes announce descriptors that are still in the socket: they were sent before the bytes.
    if (reader_.passed() != received_) ReadSocket();
    std::ranges::move(passed_, std::back_inserter(descriptors));
    passed_.clear();
    return got;
  }

  void AwaitReadable(Callback callback) override {
    on_readable_ = std::move(callback);
    Rest();
  }

  void AwaitWritable(Callback callback) override {
    on_writable_ = std::move(callback);
    Rest();
  }

  void Shut() override {
    if (!socket_.is_open()) return;
    // From here on no callback of ours runs: what is posted or waited for holds `alive_`.
    alive_.End();
    loop_.peers().Remove(*this);
    loop_.doorbells().Remove(doorbell_.get(), *this);
    boost::system::error_code ignored;
    socket_.close(ignored);
    error_ = EPIPE;
    const Callback readable = std::exchange(on_readable_, nullptr);  // both may own our owner
    const Callback writable = std::exchange(on_writable_, nullptr);
  }

 private:
  // ---- coming up ----
  // The end that connects offers the memory; the end that accepts maps it. Until then nothing can
  // be written, and a peer that sends something else is not one of ours.

  /// Makes the memory and tells the peer. The socket is new: its buffer has room.
  void Offer() {
    auto made = RingMemory::Make();
    Descriptor mine(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    Descriptor theirs(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!made || !mine.IsOpen() || !theirs.IsOpen()) {
      error_ = EMFILE;
      return;
    }
    auto hello = kHello;
    const iovec part{hello.data(), hello.size()};
    const std::array descriptors = {made->second.get(), mine.get(), theirs.get()};
    const ssize_t sent =
        SendWithDescriptors(socket_.native_handle(), std::span(&part, 1), descriptors);
    if (sent < 0) {
      error_ = static_cast<int>(-sent);
      return;
    }
    Begin(std::move(made->first), std::move(mine), std::move(theirs));
  }

  /// Takes over what the peer made.
  void Accept(std::span<const char> hello, std::deque<Descriptor> came) {
    // The far side may be any program that can open the socket. It is checked before it is mapped.
    const bool is_right = came.size() == kHelloDescriptors && std::ranges::equal(hello, kHello);
    Result<RingMemory> memory =
        is_right ? RingMemory::Map(came[0].get())
                 : Fail(ErrorCode::kCorrupt, "a peer that does not speak of shared memory");
    if (!memory) {
      error_ = memory.error().code() == ErrorCode::kCorrupt ? EBADMSG : EMFILE;
      return;
    }
    Begin(std::move(*memory), std::move(came[2]), std::move(came[1]));
  }

  void Begin(RingMemory memory, Descriptor mine, Descriptor theirs) {
    // Our bell is listened to before the rings are used: no ring can be missed.
    if (!loop_.doorbells().Add(mine.get(), *this)) {
      error_ = EMFILE;
      return;
    }
    doorbell_ = std::move(mine);
    peers_doorbell_ = std::move(theirs);
    memory_ = std::move(memory);
    writer_ = memory_.Writer(end_);
    reader_ = memory_.Reader(1 - end_);
    is_up_ = true;
  }

  // ---- waking and being woken ----
  void Ring() { ::eventfd_write(peers_doorbell_.get(), 1); }

  void WaitSocket() {
    socket_.async_wait(Waiter::wait_read,
                       loop_.Locked(alive_.Bind([this](const boost::system::error_code& error) {
                         if (error) return;
                         ReadSocket();
                         if (!is_over_ && error_ == 0) WaitSocket();
                         Poll();
                       })));
  }

  void ReadSocket() {
    for (;;) {
      std::array<char, kTokensMax> bytes;
      iovec part{bytes.data(), bytes.size()};
      std::deque<Descriptor> came;
      const ssize_t got =
          ReceiveWithDescriptors(socket_.native_handle(), std::span(&part, 1), came);
      if (got == -EINTR) continue;
      if (got == -EAGAIN) return;
      if (got <= 0) {
        // The kernel closes the socket of a process however it died. What it wrote into the ring
        // before is whole and will still be read.
        is_over_ = true;
        return;
      }
      if (!is_up_) {
        // The first bytes: the offer. Our owner may have asked for readiness already.
        Accept(std::span(bytes).first(static_cast<std::size_t>(got)), std::move(came));
        Rest();
      } else {
        // Descriptors travel here while frames travel in the ring; they meet by number.
        received_ += came.size();
        std::ranges::move(came, std::back_inserter(passed_));
        if (passed_.size() > kDescriptorsMax) error_ = EBADMSG;
      }
      if (error_ != 0) return;
    }
  }

  bool Poll() override {
    if (on_writable_ != nullptr && (error_ != 0 || (is_up_ && writer_.HasRoom()))) {
      std::exchange(on_writable_, nullptr)();  // writes, and calls nobody
    }
    if (on_readable_ == nullptr) return false;
    if (error_ == 0 && !is_over_ && !(is_up_ && reader_.HasBytes())) return false;
    Callback callback = std::exchange(on_readable_, nullptr);
    callback();
    return true;  // this may be gone
  }

  void SetPolled(bool polled) override {
    is_polled_ = polled;
    if (!is_up_) return;
    if (polled) {
      if (reader_.Unpark()) loop_.spin_budget().NotePeer(reader_.writer_core());
    } else {
      Rest();
    }
  }

  /// Has the peer ring for what we wait for; for bytes, unless somebody polls.
  void Rest() {
    // Each flag is set first and the ring looked at afterwards. So whatever the peer does in
    // between is either seen here or answered with a ring of the bell.
    bool is_there = error_ != 0;
    if (is_up_ && on_writable_ != nullptr) is_there |= !writer_.WaitForRoom();
    if (!is_polled_ && on_readable_ != nullptr) {
      is_there |= is_over_ || (is_up_ && !reader_.Park(::sched_getcpu()));
    }
    if (is_there) PollSoon();
  }

  void PollSoon() {
    loop_.Post(alive_.Bind([this] { Poll(); }));
  }

  RealEventLoop& loop_;
  const int end_;  // which ring is ours to write
  Waiter socket_;
  Descriptor doorbell_;
  Descriptor peers_doorbell_;
  RingMemory memory_;
  RingWriter writer_;
  RingReader reader_;
  bool is_up_ = false;      // both rings are there
  bool is_over_ = false;    // the peer is gone; its last bytes may be here
  bool is_polled_ = false;  // a thread looks at us: nobody need ring
  int error_ = 0;
  std::deque<Descriptor> passed_;  // received, with frames not read yet
  std::uint64_t received_ = 0;
  Callback on_readable_;
  Callback on_writable_;
  Lifetime alive_;
};

}  // namespace

std::unique_ptr<ByteChannel> MakeRingChannel(RealEventLoop& loop, Descriptor socket,
                                             SocketEnd end) {
  return std::make_unique<RingChannel>(loop, std::move(socket), end);
}

}  // namespace mobula::transport
