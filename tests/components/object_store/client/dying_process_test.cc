#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <tuple>

#include "components/transport/unix/unix_transport.h"
#include "tests/components/object_store/real_loop.h"

namespace mobula::object_store {
namespace {

constexpr std::uint64_t kSize = 1 << 20;

/// What a child process does with its store. It ends by `_exit`, or is killed.
class Child {
 public:
  explicit Child(const std::string& endpoint) {
    loop_.Enter([&] {
      transport_ = transport::MakeUnixTransport(loop_);
      connection_ = std::make_unique<rpc::Client>(loop_, *transport_, endpoint, Random(3));
      AttachStore(loop_, *connection_, attached_.Callback());
    });
    Await([this] { return attached_.Ok(); });
  }
  StoreClient& store() { return ***attached_.value; }
  WritablePayload Create(int n) {
    Told<WritablePayload> told;
    loop_.Enter([&] { store().Create(TestId(n), kSize, told.Callback()); });
    Await([&] { return told.Ok(); });
    return **told.value;
  }
  void Seal(int n) {
    Told<void> told;
    loop_.Enter([&] { store().Seal(TestId(n), told.Callback()); });
    Await([&] { return told.Ok(); });
  }
  Payload Get(int n) {
    Told<Payload> told;
    loop_.Enter([&] { store().Get(TestId(n), {}, told.Callback()); });
    Await([&] { return told.Ok(); });
    return **told.value;
  }

 private:
  void Await(const std::function<bool()>& condition) {
    if (!PollUntil(loop_, condition)) ::_exit(99);
  }
  RealEventLoop loop_;
  std::unique_ptr<transport::Transport> transport_;
  std::unique_ptr<rpc::Client> connection_;
  Told<std::unique_ptr<StoreClient>> attached_;
};

/// The raylet's side, and one child that is forked before any of it exists.
class DyingProcessTest : public testing::Test {
 public:
  using Pipe = std::array<int, 2>;

  /// Forks; the child runs `life` once the store is up, and calls `Tell()` so the test goes on.
  void Start(const std::function<void(Child&)>& life) {
    ASSERT_EQ(::pipe(go_.data()), 0);
    ASSERT_EQ(::pipe(told_.data()), 0);
    const std::string endpoint = "unix://" + folder_.path() + "/s";
    child_ = ::fork();
    if (child_ == 0) {
      char byte = 0;
      if (::read(go_[0], &byte, 1) != 1) ::_exit(98);
      Child child(endpoint);
      life(child);
      ::_exit(0);
    }
    loop_ = std::make_unique<RealEventLoop>();
    loop_->Enter([&] {
      transport_ = transport::MakeUnixTransport(*loop_);
      StoreNode::Options options;
      options.store = MakeStore("shared_memory", 4 * kSize);
      node_ = std::make_unique<StoreNode>(*loop_, *transport_, endpoint, std::move(options));
      node_->Put(9, kSize);
    });
    ASSERT_EQ(::write(go_[1], "g", 1), 1);
    ::fcntl(told_[0], F_SETFL, O_NONBLOCK);
  }
  ~DyingProcessTest() override {
    if (child_ > 0) ::kill(child_, SIGKILL);
    if (loop_) loop_->Enter([this] { node_.reset(); });
    for (const int fd : {go_[0], go_[1], told_[0], told_[1]}) ::close(fd);
  }

  // In the child.
  void Tell() { std::ignore = ::write(told_[1], "t", 1); }
  [[noreturn]] static void LiveForEver() {
    while (true) ::pause();
  }

  // In the test.
  bool IsTold() {
    return PollUntil(*loop_, [this] {
      char byte = 0;
      return ::read(told_[0], &byte, 1) == 1;
    });
  }
  int KillAndReap() {
    ::kill(child_, SIGKILL);
    return Reap();
  }
  int Reap() {
    int status = -1;
    EXPECT_TRUE(PollUntil(*loop_, [&] { return ::waitpid(child_, &status, WNOHANG) == child_; }));
    child_ = -1;
    return status;
  }
  bool ComesToUse(std::uint64_t bytes) {
    return PollUntil(*loop_, [&] { return node_->store->Usage().used_bytes == bytes; });
  }

  TestFolder folder_;
  Pipe go_{-1, -1};
  Pipe told_{-1, -1};
  pid_t child_ = -1;
  std::unique_ptr<RealEventLoop> loop_;
  std::unique_ptr<transport::Transport> transport_;
  std::unique_ptr<StoreNode> node_;
};

TEST_F(DyingProcessTest, ProcessesReadWhatOthersWroteInPlace) {
  Start([this](Child& child) {
    if (!HasTestBytes(9, child.Get(9).bytes())) ::_exit(1);
    FillTestBytes(1, child.Create(1).bytes);
    child.Seal(1);
    Tell();
    LiveForEver();
  });
  ASSERT_TRUE(IsTold());
  EXPECT_TRUE(node_->Holds(1));
  KillAndReap();
  EXPECT_TRUE(PollUntil(*loop_, [&] { return node_->service.client_count() == 0; }));
  EXPECT_TRUE(node_->Holds(1)) << "what was sealed stays";
}

TEST_F(DyingProcessTest, KilledBetweenCreateAndSealTheRoomComesBack) {
  Start([this](Child& child) {
    const auto half = child.Create(1).bytes.first(kSize / 2);
    FillTestBytes(1, half);
    (void)child.Create(2);
    Tell();
    LiveForEver();
  });
  ASSERT_TRUE(IsTold());
  EXPECT_EQ(node_->store->Usage().used_bytes, 3 * kSize);
  KillAndReap();
  EXPECT_TRUE(ComesToUse(kSize));
  node_->store->CheckInvariants();
}

TEST_F(DyingProcessTest, KilledWhileReadingItsPinsGo) {
  Start([this](Child& child) {
    const Payload view = child.Get(9);
    Tell();
    LiveForEver();
  });
  ASSERT_TRUE(IsTold());
  node_->store->Delete(TestId(9));
  EXPECT_EQ(node_->store->Usage().used_bytes, kSize) << "still being read";
  KillAndReap();
  EXPECT_TRUE(ComesToUse(0));
}

TEST_F(DyingProcessTest, WritingToASealedObjectHurtsOnlyTheWriter) {
  Start([](Child& child) {
    ::signal(SIGSEGV, SIG_DFL);  // a sanitizer has a handler of its own
    const Payload view = child.Get(9);
    *const_cast<volatile std::byte*>(view.bytes().data()) = std::byte{1};
  });
  const int status = Reap();
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV) << "status " << status;
  EXPECT_TRUE(node_->Holds(9));
}

}  // namespace
}  // namespace mobula::object_store
