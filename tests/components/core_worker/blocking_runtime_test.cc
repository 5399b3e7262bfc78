// User threads, the loop's thread and a task's thread, all real, in one process.

#include "components/core_worker/runtime/blocking_runtime.h"

#include <gtest/gtest.h>

#include <future>
#include <map>
#include <semaphore>
#include <thread>

#include "components/base/real/event_loop.h"
#include "components/core_worker/assembly/core_worker_assembly.h"
#include "components/core_worker/runtime/thread_executor.h"
#include "components/protocol/raylet_methods.h"
#include "components/transport/inprocess/inprocess_transport.h"
#include "mobula/errors.h"
#include "mobula/get.h"
#include "mobula/put.h"
#include "mobula/remote.h"
#include "tests/patience.h"

namespace mobula::core_worker {
namespace {

constexpr std::uint64_t kInlineMax = 1000;
using std::chrono::milliseconds;

int Square(int x) { return x * x; }
std::string Fill(int size) { return std::string(static_cast<std::size_t>(size), 'x'); }
std::size_t Size(const std::string& text) { return text.size(); }
std::binary_semaphore parent_waits{0};
int SquareWhenWaitedFor(int x) {
  parent_waits.acquire();
  return x * x;
}
int Outer(int x) { return Get(Remote<SquareWhenWaitedFor>(x)) + 1; }
int Refuse(int) { throw std::out_of_range("no"); }

constexpr std::uint64_t kCapacityBytes = 8 << 20;

/// One map for all processes.
class MapStore final : public object_store::StoreClient {
 public:
  MapStore(EventLoop& loop, std::map<ObjectId, WritablePayload>& objects)
      : loop_(loop), objects_(objects) {}
  void Create(const ObjectId& id, std::uint64_t size_bytes,
              std::move_only_function<void(Result<WritablePayload>)> done) override {
    objects_[id] = WritablePayload::Allocate(size_bytes);
    loop_.Post([done = std::move(done), room = objects_[id]]() mutable { done(room); });
  }
  void Seal(const ObjectId&, std::move_only_function<void(Result<void>)> done) override {
    loop_.Post([done = std::move(done)]() mutable { done({}); });
  }
  void Abort(const ObjectId&) override {}
  void Get(const ObjectId& id, const object_store::ObjectHint&,
           std::move_only_function<void(Result<Payload>)> done) override {
    Result<Payload> found = Fail(ErrorCode::kNotFound, "no {}", id.Short());
    if (objects_.contains(id)) found = objects_[id].Freeze();
    loop_.Post([done = std::move(done), found = std::move(found)]() mutable { done(found); });
  }
  [[nodiscard]] std::uint64_t capacity_bytes() const override { return kCapacityBytes; }
  [[nodiscard]] std::string_view Name() const override { return "map"; }

 private:
  EventLoop& loop_;
  std::map<ObjectId, WritablePayload>& objects_;
};

class BlockingRuntimeTest : public ::testing::Test {
 public:
  struct Process {
    Process(BlockingRuntimeTest& test, const std::string& name)
        : log(test.loop_.clock(), name, LogLevel::kError, nullptr),
          assembly(Assemble(test, name)),
          core(assembly->core()),
          runtime(core, test.loop_),
          executor(core, test.loop_, runtime) {
      assembly->Join(name == "driver" ? nullptr : &executor,
                     [this](const Result<void>& result) { joined.set_value(result.has_value()); });
    }
    std::unique_ptr<CoreWorkerAssembly> Assemble(BlockingRuntimeTest& test,
                                                 const std::string& name) {
      AssemblyOptions options;
      options.is_driver = name == "driver";
      options.id = *WorkerId::FromBinary(std::string(WorkerId::kSize, name[0]));
      options.raylet_endpoint = "inproc://raylet";
      options.listen_endpoint = "inproc://" + name;
      options.local_listen_endpoint = options.listen_endpoint + ".local";
      CoreWorkerAssembly::Deps deps{
          .loop = test.loop_,
          .transport_for = [&test](std::string_view) { return test.transport_.get(); },
          .random = Random(1),
          .log = log,
          .attach_store =
              [&test](auto done) { done(std::make_unique<MapStore>(test.loop_, test.objects_)); }};
      return std::move(CoreWorkerAssembly::Make(std::move(deps), std::move(options)).value());
    }
    EventLog log;
    std::unique_ptr<CoreWorkerAssembly> assembly;
    CoreWorker& core;
    BlockingRuntime runtime;
    ThreadExecutor executor;
    std::promise<bool> joined;
  };

  BlockingRuntimeTest() {
    loop_.Enter([this] { BuildCluster(); });
    loop_.RunInThread();
    EXPECT_TRUE(Within(driver_->joined.get_future(), "the driver to join"));
    for (const auto& worker : workers_) {
      EXPECT_TRUE(Within(worker->joined.get_future(), "a worker to join"));
      threads_.emplace_back([&executor = worker->executor] { executor.RunUntilStopped(); });
    }
    internal::SetProcessRuntime(&driver_->runtime);
  }
  ~BlockingRuntimeTest() override {
    internal::SetProcessRuntime(nullptr);
    loop_.Enter([this] {
      for (const auto& worker : workers_) worker->executor.Stop();
    });
    for (std::thread& thread : threads_) thread.join();
    loop_.Enter([this] {
      held_.clear();
      driver_.reset();
      workers_.clear();
      raylet_.reset();
    });
    loop_.Stop();
    loop_.Join();
  }

  void BuildCluster() {
    transport_ = transport::MakeInprocessTransport(loop_);
    AddRaylet();
    driver_ = std::make_unique<Process>(*this, "driver");
    workers_.push_back(std::make_unique<Process>(*this, "first"));
    workers_.push_back(std::make_unique<Process>(*this, "second"));
  }

  /// Grants its two workers to whoever asks first; others wait for ever.
  void AddRaylet() {
    using rpc::CallContext;
    services_.Handle(protocol::kRegisterWorker,
                     [](const protocol::RegisterWorkerRequest&, CallContext,
                        rpc::Respond<protocol::RegisterWorkerReply> respond) {
                       protocol::RegisterWorkerReply reply;
                       reply.set_node_id(std::string(NodeId::kSize, 'n'));
                       reply.set_raylet_endpoint("inproc://raylet");
                       reply.set_inline_bytes_max(kInlineMax);
                       respond(reply);
                     });
    services_.Handle(
        protocol::kRequestLease, [this](const protocol::RequestLeaseRequest& request, CallContext,
                                        rpc::Respond<protocol::RequestLeaseReply> respond) {
          if (!grants_ || leased_ == workers_.size()) {
            held_.push_back(std::move(respond));
            return;
          }
          protocol::RequestLeaseReply reply;
          reply.mutable_grant()->set_lease_id(request.request_id());
          *reply.mutable_grant()->mutable_worker() = workers_[leased_++]->assembly->address();
          respond(reply);
        });
    services_.Handle(protocol::kReturnLease,
                     [](const protocol::ReturnLeaseRequest&, CallContext,
                        rpc::Respond<protocol::Ack> respond) { respond(protocol::Ack()); });
    services_.Handle(protocol::kSetBlocked, [this](const protocol::SetBlockedRequest& request,
                                                   CallContext, rpc::Respond<protocol::NoReply>) {
      blocked_ += request.blocked();
      if (request.blocked()) parent_waits.release();
    });
    raylet_ = std::make_unique<rpc::Server>(loop_, services_);
    static_cast<void>(raylet_->Listen(*transport_, "inproc://raylet"));
  }

  RealEventLoop loop_;
  std::unique_ptr<transport::Transport> transport_;
  std::map<ObjectId, WritablePayload> objects_;
  rpc::ServiceTable services_;
  std::unique_ptr<rpc::Server> raylet_;
  std::vector<rpc::Respond<protocol::RequestLeaseReply>> held_;
  bool grants_ = true;
  int blocked_ = 0;
  std::size_t leased_ = 0;
  std::unique_ptr<Process> driver_;
  std::vector<std::unique_ptr<Process>> workers_;
  std::vector<std::thread> threads_;
};

TEST_F(BlockingRuntimeTest, PutsAndGetsSmallAndLarge) {
  EXPECT_EQ(Get(Put(std::string("small"))), "small");
  const std::string large(1 << 20, 'x');
  EXPECT_EQ(Get(Put(large)), large);
  EXPECT_EQ(objects_.size(), 1U);
}

TEST_F(BlockingRuntimeTest, TasksRunOnTheExecutorsThread) {
  EXPECT_EQ(Get(Remote<Square>(Remote<Square>(3))), 81);
  EXPECT_EQ(Get(Remote<Fill>(100'000)).size(), 100'000U);
  EXPECT_EQ(Get(Remote<Size>(std::string(50'000, 'y'))), 50'000U);
}

TEST_F(BlockingRuntimeTest, WhatATaskThrowsComesOutOfGet) {
  try {
    Get(Remote<Refuse>(1));
    FAIL();
  } catch (const TaskError& error) {
    EXPECT_NE(std::string(error.what()).find("no"), std::string::npos);
  }
}

TEST_F(BlockingRuntimeTest, ManyThreadsMayAskAtOnce) {
  std::vector<std::future<int>> threads;
  for (int t = 0; t < 8; ++t) {
    threads.push_back(std::async(std::launch::async, [t] {
      int sum = 0;
      for (int i = 0; i < 50; ++i) sum += Get(Remote<Square>(t));
      return sum;
    }));
  }
  for (int t = 0; t < 8; ++t) EXPECT_EQ(threads[static_cast<std::size_t>(t)].get(), 50 * t * t);
}

TEST_F(BlockingRuntimeTest, TimeoutsEndGetAndWait) {
  loop_.Enter([this] { grants_ = false; });
  const ObjectRef<int> never = Remote<Square>(1);
  EXPECT_THROW(Get(never, milliseconds(1)), GetTimeoutError);
  const ObjectRef<int> there = Put(5);
  const std::vector<internal::ReferencePtr> both = {never.reference(), there.reference()};
  const auto outcome = driver_->runtime.Wait(both, 2, milliseconds(1));
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->ready, std::vector<std::size_t>{1});
  EXPECT_EQ(driver_->runtime.Wait(both, 3, {}).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(driver_->runtime.Wait(both, 0, {}).error().code(), ErrorCode::kInvalidArgument);
}

TEST_F(BlockingRuntimeTest, AReferenceOfAnEarlierSessionIsRefused) {
  const internal::ReferencePtr stale =
      new internal::Reference(ObjectId::OfTask(TaskId(), 3), nullptr);
  const std::vector<internal::ReferencePtr> references = {stale};
  EXPECT_EQ(driver_->runtime.Get(references, {}).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(driver_->runtime.Wait(references, 1, {}).error().code(), ErrorCode::kInvalidArgument);
  std::vector<internal::Argument> arguments(1);
  arguments[0].reference = stale;
  EXPECT_EQ(driver_->runtime.Submit({}, std::move(arguments), 1, {}).error().code(),
            ErrorCode::kInvalidArgument);
}

TEST_F(BlockingRuntimeTest, ALostRayletEndsEveryWait) {
  loop_.Enter([this] { grants_ = false; });
  const ObjectRef<int> never = Remote<Square>(1);
  auto got = std::async(std::launch::async, [&] {
    return driver_->runtime.Get(std::vector{never.reference()}, {}).error().code();
  });
  auto waited = std::async(std::launch::async, [&] {
    return driver_->runtime.Wait(std::vector{never.reference()}, 1, {}).error().code();
  });
  loop_.Enter([this] { raylet_.reset(); });
  EXPECT_EQ(got.get(), ErrorCode::kUnavailable);
  EXPECT_EQ(waited.get(), ErrorCode::kUnavailable);
  EXPECT_EQ(driver_->runtime.Put({}).error().code(), ErrorCode::kUnavailable);
}

TEST_F(BlockingRuntimeTest, ATaskThatWaitsForItsChildGivesItsCpuBack) {
  EXPECT_EQ(Get(Remote<Outer>(3)), 10);
  loop_.Enter([this] { EXPECT_EQ(blocked_, 1); });
}

}  // namespace
}  // namespace mobula::core_worker
