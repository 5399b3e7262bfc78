// What only rings shared with another process can do: death inside a send, fork, strangers.
#include "components/transport/shared_memory/shared_memory_transport.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "components/base/real/event_loop.h"
#include "components/transport/shared_memory/ring_memory.h"
#include "components/transport/stream/byte_channel.h"

namespace mobula::transport {
namespace {

class Recorder final : public ConnectionHandler {
 public:
  Result<WritablePayload> PlaceAttachment(const FrameHeader& header, std::string_view) override {
    return WritablePayload::Allocate(header.attachment_bytes);
  }
  void OnFrame(Frame frame) override { bodies.push_back(std::move(frame.body)); }
  void OnClose(const Error& reason) override { closed.push_back(reason); }
  std::vector<std::string> bodies;
  std::vector<Error> closed;
};

/// A loop on this thread, and what is needed to talk.
struct Process {
  bool RunUntil(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!condition()) {
      if (loop.PollOnce() == 0) std::this_thread::yield();
      if (std::chrono::steady_clock::now() > end) return false;
    }
    return true;
  }
  std::unique_ptr<Connection> Connect(const std::string& endpoint, Recorder& recorder) {
    std::unique_ptr<Connection> connection;
    transport->Connect(endpoint, std::chrono::seconds(60), [&](auto made) {
      if (made) connection = std::move(*made);
    });
    if (!RunUntil([&] { return connection != nullptr; })) return nullptr;
    connection->SetLimits(ConnectionLimits());
    connection->SetHandler(&recorder);
    return connection;
  }
  RealEventLoop loop;
  std::unique_ptr<Transport> transport = MakeSharedMemoryTransport(loop);
};

void Send(Connection& connection, std::string body) {
  Frame frame;
  frame.body = std::move(body);
  connection.Send(std::move(frame));
}

class SharedMemoryTest : public testing::Test {
 protected:
  SharedMemoryTest() {
    std::string pattern = "/tmp/mobula-test-" + std::string(6, 'X');
    folder_ = ::mkdtemp(pattern.data());
    auto made = self_.transport->Listen(endpoint(), [this](auto connection) {
      recorders_.push_back(std::make_unique<Recorder>());
      connection->SetLimits(ConnectionLimits());
      connection->SetHandler(recorders_.back().get());
      accepted_.push_back(std::move(connection));
    });
    listener_ = std::move(*made);
  }
  ~SharedMemoryTest() override {
    listener_.reset();
    ::rmdir(folder_.c_str());
  }
  std::string path() { return folder_ + "/s"; }
  std::string endpoint() { return "shm+unix://" + path(); }
  /// \return a plain unix socket connected to us.
  Descriptor Dial() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path().copy(address.sun_path, sizeof address.sun_path - 1);
    Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return socket;
  }
  /// \return what our side of the newest connection hears.
  Recorder& newest() { return *recorders_.back(); }
  bool RunUntil(const std::function<bool()>& condition) { return self_.RunUntil(condition); }

  Process self_;
  std::string folder_;
  std::unique_ptr<Listener> listener_;
  std::vector<std::unique_ptr<Recorder>> recorders_;
  std::vector<std::unique_ptr<Connection>> accepted_;
};

/// What the child of the next test says. The first is read before the child is stopped, and leaves
/// so little of the ring that the others go across its end.
std::vector<std::string> Story() {
  return {std::string(kRingBytes - 300, 'a'), std::string(100, 'b'), std::string(200, 'c'),
          std::string(50, 'd')};
}

/// Connects, stops, says all of it in one batch, stops again. Ends by being killed.
[[noreturn]] void SpeakAndStop(const std::string& endpoint) {
  ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
  Process process;
  Recorder recorder;
  const auto connection = process.Connect(endpoint, recorder);
  if (connection == nullptr) ::_exit(9);
  std::vector<std::string> story = Story();
  Send(*connection, std::move(story[0]));
  if (!process.RunUntil([&] { return connection->QueuedBytes() == 0; })) ::_exit(9);
  ::raise(SIGSTOP);
  for (std::size_t i = 1; i < story.size(); ++i) Send(*connection, std::move(story[i]));
  connection->Flush();
  ::raise(SIGSTOP);
  ::_exit(0);
}

/// \return whether the traced child stopped by itself, not after one step.
bool StepOnce(pid_t child) {
  int status = 0;
  ::ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr);
  ::waitpid(child, &status, 0);
  return !WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP;
}

TEST_F(SharedMemoryTest, APeerKilledAtAnyInstructionOfASendLeavesWholeFramesAndOneEnd) {
  constexpr std::size_t kDeaths = 48;
  std::size_t steps_in_all = 0;  // counted by the first child, which is stepped to the end
  std::size_t seen_most = 0;
  for (std::size_t death = 0; death <= kDeaths; ++death) {
    const pid_t child = ::fork();
    if (child == 0) SpeakAndStop(endpoint());
    int status = 0;
    const std::size_t before = accepted_.size();
    ASSERT_TRUE(RunUntil([&] { return ::waitpid(child, &status, WNOHANG) == child; }));
    if (!WIFSTOPPED(status)) GTEST_SKIP() << "no process may be traced here";
    ASSERT_TRUE(RunUntil([&] { return accepted_.size() > before && !newest().bodies.empty(); }));
    if (death == 0) {
      while (!StepOnce(child)) ++steps_in_all;
    } else {
      for (std::size_t i = steps_in_all * death / (kDeaths + 1); i > 0 && !StepOnce(child); --i) {
      }
    }
    ::kill(child, SIGKILL);
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(RunUntil([&] { return !newest().closed.empty(); })) << "death " << death;
    while (self_.loop.PollOnce() > 0) continue;
    EXPECT_EQ(newest().closed.size(), 1U);
    EXPECT_EQ(newest().closed[0].code(), ErrorCode::kUnavailable);
    const std::vector<std::string> story = Story();
    ASSERT_LE(newest().bodies.size(), story.size());
    EXPECT_TRUE(std::equal(newest().bodies.begin(), newest().bodies.end(), story.begin()))
        << "death " << death;
    seen_most = std::max(seen_most, newest().bodies.size());
    accepted_.pop_back();
    recorders_.pop_back();
  }
  EXPECT_GT(steps_in_all, 500U);
  EXPECT_EQ(seen_most, Story().size()) << "whoever dies late enough has said it all";
}

TEST_F(SharedMemoryTest, AChildForkedWhileConnectedHasNoneOfTheMemoryAndHarmsNothing) {
  Recorder recorder;
  const auto connection = self_.Connect(endpoint(), recorder);
  Send(*connection, "before");
  const pid_t child = ::fork();
  if (child == 0) {
    std::ifstream maps("/proc/self/maps");
    std::stringstream text;
    text << maps.rdbuf();
    ::_exit(text.str().find("mobula-rings") == std::string::npos ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  Send(*connection, "after");
  ASSERT_TRUE(RunUntil([&] { return !recorders_.empty() && newest().bodies.size() == 2; }));
  EXPECT_TRUE(newest().closed.empty());
}

TEST_F(SharedMemoryTest, SixtyFourConnectionsOfOneProcessCarryMoreThanTheirRings) {
  constexpr std::size_t kConnections = 64;
  Recorder recorder;
  std::vector<std::unique_ptr<Connection>> connections;
  for (std::size_t i = 0; i < kConnections; ++i) {
    connections.push_back(self_.Connect(endpoint(), recorder));
    Send(*connections.back(), std::string(3 * kRingBytes, static_cast<char>('A' + i)));
    Send(*connections.back(), "end");
  }
  ASSERT_TRUE(RunUntil([&] {
    return recorders_.size() == kConnections && std::ranges::all_of(recorders_, [](auto& received) {
             return received->bodies.size() == 2;
           });
  }));
  for (const auto& received : recorders_) {
    EXPECT_EQ(received->bodies[0], std::string(3 * kRingBytes, received->bodies[0][0]));
  }
}

/// \return what was written to eventfds of this process and not read; the loop alone reads them.
int RungAndUnheard() {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
    std::ifstream info(entry.path());
    for (std::string word; info >> word;) {
      int here = 0;
      if (word == "eventfd-count:" && info >> std::hex >> here) count += here;
    }
  }
  return count;
}

TEST_F(SharedMemoryTest, NobodyIsRungForWhileAThreadPolls) {
  Recorder recorder;
  const auto connection = self_.Connect(endpoint(), recorder);
  ASSERT_TRUE(RunUntil([&] { return !accepted_.empty(); }));
  while (self_.loop.PollOnce() > 0) continue;
  const int before = RungAndUnheard();
  std::unique_lock lock(self_.loop.StateLock());
  WaitPoint never;
  std::size_t sent = 0;
  bool is_polling = false;  // asked once before
  self_.loop.Await(lock, never, [&] {
    if (!std::exchange(is_polling, true)) return false;
    if (newest().bodies.size() == sent && sent < 100) {
      ++sent;
      Send(*connection, "x");
      connection->Flush();
    }
    return newest().bodies.size() == 100;
  });
  EXPECT_EQ(RungAndUnheard(), before);
}

/// A peer whose every step the test decides.
TEST_F(SharedMemoryTest, ADoorbellWithoutBytesDoesNotMakeUsDeafForTheNext) {
  Descriptor socket = Dial();
  auto made = RingMemory::Make();
  ASSERT_TRUE(made);
  const Descriptor mine(::eventfd(0, EFD_NONBLOCK));
  const Descriptor theirs(::eventfd(0, EFD_NONBLOCK));
  std::string hello("MBR\1");
  const iovec part{hello.data(), hello.size()};
  const std::array descriptors = {made->second.get(), mine.get(), theirs.get()};
  ASSERT_GT(SendWithDescriptors(socket.get(), std::span(&part, 1), descriptors), 0);
  RingWriter writer = made->first.Writer(0);
  ASSERT_TRUE(RunUntil([&] { return writer.TakeParked(0); }));
  const std::uint64_t once = 1;
  ASSERT_GT(::write(theirs.get(), &once, sizeof once), 0);  // as if its bytes had been polled away
  EXPECT_TRUE(RunUntil([&] { return writer.TakeParked(0); })) << "nobody would be rung for again";
}

/// A unix socket that says something else, with or without descriptors.
class StrangerTest : public SharedMemoryTest {
 protected:
  void Say(std::string_view words, std::vector<int> descriptors) {
    socket_ = Dial();
    const iovec part{const_cast<char*>(words.data()), words.size()};
    ASSERT_GT(SendWithDescriptors(socket_.get(), std::span(&part, 1), descriptors), 0);
    ASSERT_TRUE(RunUntil([&] { return !recorders_.empty() && !newest().closed.empty(); }));
    EXPECT_EQ(newest().closed[0].code(), ErrorCode::kCorrupt) << newest().closed[0].ToString();
  }
  Descriptor socket_;
};

TEST_F(StrangerTest, WhoSaysNoHelloIsRefused) { Say("GET / HTTP/1.1\r\n", {}); }

TEST_F(StrangerTest, AHelloWithoutMemoryIsRefused) { Say(std::string("MBR\1"), {}); }

TEST_F(StrangerTest, MemoryThatCouldBeTakenAwayIsRefused) {
  const Descriptor memory(::memfd_create("unsealed", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(memory.get(), 1 << 20), 0);
  Say(std::string("MBR\1"), {memory.get(), memory.get(), memory.get()});
}

}  // namespace
}  // namespace mobula::transport
