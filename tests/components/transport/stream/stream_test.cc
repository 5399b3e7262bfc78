// What only real sockets can do: strangers, stale files, no descriptors left.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "components/base/real/event_loop.h"
#include "components/transport/stream/descriptor.h"
#include "components/transport/tcp/tcp_transport.h"
#include "components/transport/unix/unix_transport.h"

namespace mobula::transport {
namespace {

class Recorder final : public ConnectionHandler {
 public:
  Result<WritablePayload> PlaceAttachment(const FrameHeader& header, std::string_view) override {
    return WritablePayload::Allocate(header.attachment_bytes);
  }
  void OnFrame(Frame frame) override { frames.push_back(std::move(frame)); }
  void OnClose(const Error& reason) override { closed = reason; }
  std::vector<Frame> frames;
  std::optional<Error> closed;
};

class StreamTest : public testing::Test {
 protected:
  bool RunUntil(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!condition()) {
      if (loop_.PollOnce() == 0) std::this_thread::yield();
      if (std::chrono::steady_clock::now() > end) return false;
    }
    return true;
  }
  /// Listens with tcp and gives each connection a recorder.
  void Listen() {
    auto made = tcp_->Listen("tcp://127.0.0.1:0", [this](auto connection) {
      recorders_.push_back(std::make_unique<Recorder>());
      connection->SetHandler(recorders_.back().get());
      connections_.push_back(std::move(connection));
    });
    ASSERT_TRUE(made) << made.error().ToString();
    listener_ = std::move(*made);
  }
  /// \return a plain blocking socket connected to the listener.
  Descriptor RawClient() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(ParseEndpoint(listener_->Endpoint())->port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    const std::size_t before = connections_.size();
    EXPECT_TRUE(RunUntil([&] { return connections_.size() > before; }));
    return socket;
  }

  RealEventLoop loop_;
  std::unique_ptr<Transport> tcp_ = MakeTcpTransport(loop_);
  std::unique_ptr<Transport> unix_ = MakeUnixTransport(loop_);
  std::unique_ptr<Listener> listener_;
  std::vector<std::unique_ptr<Recorder>> recorders_;
  std::vector<std::unique_ptr<Connection>> connections_;
};

TEST_F(StreamTest, APeerThatAcknowledgesNothingIsGivenUpAfterHalfAMinute) {
  Listen();
  const Descriptor client = RawClient();
  sockaddr_in self{};
  socklen_t size = sizeof self;
  ASSERT_EQ(::getsockname(client.get(), reinterpret_cast<sockaddr*>(&self), &size), 0);
  int found = 0;
  for (int fd = 0; fd < 1024; ++fd) {  // the accepted socket is one of ours
    sockaddr_in peer{};
    size = sizeof peer;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0) continue;
    if (peer.sin_family != AF_INET || peer.sin_port != self.sin_port) continue;
    int milliseconds = 0;
    size = sizeof milliseconds;
    ASSERT_EQ(::getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &milliseconds, &size), 0);
    EXPECT_EQ(milliseconds, 30'000);
    ++found;
  }
  EXPECT_EQ(found, 1);
}

TEST_F(StreamTest, FramesComeThroughByteByByte) {
  Listen();
  const Descriptor client = RawClient();
  FrameHeader header;
  header.body_bytes = 3;
  const auto bytes = EncodeFrameHeader(header);
  const std::string text = std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (const char c : text + "abc") {
    ASSERT_EQ(::send(client.get(), &c, 1, 0), 1);
    loop_.PollOnce();
  }
  ASSERT_TRUE(RunUntil([&] { return recorders_[0]->frames.size() == 1; }));
  EXPECT_EQ(recorders_[0]->frames[0].body, "abc");
}

TEST_F(StreamTest, StrangersAreToldApartAndClosed) {
  Listen();
  const Descriptor client = RawClient();
  const std::string http = "GET / HTTP/1.1\r\nHost: localhost:6379\r\n\r\n";
  ASSERT_GT(::send(client.get(), http.data(), http.size(), 0), 0);
  ASSERT_TRUE(RunUntil([&] { return recorders_[0]->closed.has_value(); }));
  EXPECT_EQ(recorders_[0]->closed->code(), ErrorCode::kCorrupt);
  EXPECT_TRUE(recorders_[0]->closed->message().starts_with("tcp://127.0.0.1:"))
      << recorders_[0]->closed->message();
  char byte = 0;
  EXPECT_EQ(::recv(client.get(), &byte, 1, 0), 0) << "the stranger hears of it";
}

TEST_F(StreamTest, AResetIsAClose) {
  Listen();
  Descriptor client = RawClient();
  const linger reset{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  client = Descriptor();
  ASSERT_TRUE(RunUntil([&] { return recorders_[0]->closed.has_value(); }));
  EXPECT_EQ(recorders_[0]->closed->code(), ErrorCode::kUnavailable);
  EXPECT_TRUE(recorders_[0]->closed->message().ends_with("connection reset"));
}

TEST_F(StreamTest, ADescriptorFlagOverTcpIsRefused) {
  Listen();
  const Descriptor client = RawClient();
  FrameHeader header;
  header.flags = kFrameHasDescriptor;
  const auto bytes = EncodeFrameHeader(header);
  ASSERT_GT(::send(client.get(), bytes.data(), bytes.size(), 0), 0);
  ASSERT_TRUE(RunUntil([&] { return recorders_[0]->closed.has_value(); }));
  EXPECT_EQ(recorders_[0]->closed->code(), ErrorCode::kCorrupt);
}

TEST_F(StreamTest, AcceptingGoesOnAfterDescriptorsRanOut) {
  Listen();
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  const Descriptor held(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  Descriptor client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(ParseEndpoint(listener_->Endpoint())->port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  Timer timer(loop_);  // a sanitizer looks at a type once, and needs descriptors for it
  timer.Set(std::chrono::hours(1), [] {});
  loop_.PollOnce();
  rlimit tight = before;
  tight.rlim_cur = static_cast<rlim_t>(client.get()) + 1;  // all lower ones are taken
  ::setrlimit(RLIMIT_NOFILE, &tight);
  ASSERT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  for (int i = 0; i < 100; ++i) loop_.PollOnce();
  EXPECT_TRUE(connections_.empty());
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_TRUE(RunUntil([&] { return connections_.size() == 1; }));
}

TEST_F(StreamTest, NamesAreResolvedAndUnknownOnesAreNamed) {
  auto made = tcp_->Listen("localhost:0", [](auto) {});
  ASSERT_TRUE(made) << made.error().ToString();
  EXPECT_TRUE((*made)->Endpoint().starts_with("tcp://localhost:"));
  const auto elsewhere = tcp_->Listen("tcp://192.0.2.1:1", [](auto) {});
  ASSERT_FALSE(elsewhere);
  EXPECT_EQ(elsewhere.error().code(), ErrorCode::kInvalidArgument);
}

class UnixFileTest : public StreamTest {
 protected:
  void SetUp() override {
    std::string pattern = "/tmp/mobula-test-" + std::string(6, 'X');
    folder_ = ::mkdtemp(pattern.data());
    path_ = folder_ + "/s";
  }
  void TearDown() override {
    listener_.reset();
    ::unlink(path_.c_str());
    ::rmdir(folder_.c_str());
  }
  [[nodiscard]] bool Exists() const {
    struct stat status{};
    return ::lstat(path_.c_str(), &status) == 0;
  }
  std::string folder_;
  std::string path_;
};

TEST_F(UnixFileTest, IsPrivateAndGoesWithItsListener) {
  auto made = unix_->Listen("unix://" + path_, [](auto) {});
  ASSERT_TRUE(made) << made.error().ToString();
  struct stat status{};
  ASSERT_EQ(::lstat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  made->reset();
  EXPECT_FALSE(Exists());
}

TEST_F(UnixFileTest, LeftByADeadProcessIsReplaced) {
  {
    const Descriptor dead(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(dead.get(), 1), 0);
  }
  ASSERT_TRUE(Exists());
  const auto made = unix_->Listen("unix://" + path_, [](auto) {});
  EXPECT_TRUE(made) << made.error().ToString();
}

TEST_F(UnixFileTest, ThatIsNoSocketIsLeftAlone) {
  const Descriptor file(::open(path_.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  const auto made = unix_->Listen("unix://" + path_, [](auto) {});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code(), ErrorCode::kAlreadyExists);
  EXPECT_TRUE(Exists());
}

TEST_F(UnixFileTest, PathsThatDoNotFitAreRefused) {
  const auto made = unix_->Listen("unix://" + folder_ + "/" + std::string(120, 'x'), [](auto) {});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_NE(made.error().message().find("at most 107"), std::string::npos);
}

}  // namespace
}  // namespace mobula::transport
