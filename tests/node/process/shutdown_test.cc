// What happens to threads that are inside a call when their process leaves its cluster.

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <latch>
#include <semaphore>
#include <vector>

#include "mobula/mobula.h"
#include "tests/patience.h"

namespace mobula {
namespace {

constexpr int kThreads = 8;
std::counting_semaphore<kThreads> gate(0);

int PassGate() {
  gate.acquire();
  return 1;
}

void JoinEmbedded() { Init({.mode = Mode::kEmbedded, .num_cpus = 1, .log_level = "error"}); }

TEST(ShutdownTest, EndsTheCallsOfOtherThreads) {
  for (int round = 0; round < 5; ++round) {
    JoinEmbedded();
    std::latch about_to_call(kThreads + 1);
    std::atomic<int> refused = 0;
    // Who comes after Shutdown began is refused and opens the gate, perhaps before the others are.
    std::atomic<int> answered = 0;
    std::vector<std::future<void>> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.push_back(std::async(std::launch::async, [&, i] {
        std::vector<ObjectRef<int>> refs = {Remote<PassGate>()};
        about_to_call.arrive_and_wait();
        try {
          if (i % 2 == 0) {
            static_cast<void>(Get(refs));
          } else {
            static_cast<void>(Wait(refs, 1));
          }
          ++answered;
        } catch (const UnavailableError&) {
          ++refused;
        } catch (const NotInitializedError&) {
          ++refused;
        }
        gate.release();  // only now a task can end: workers are waited for after all calls
      }));
    }
    about_to_call.arrive_and_wait();
    Shutdown();
    for (std::future<void>& thread : threads) {
      Within(std::move(thread), "the end of a call after Shutdown");
    }
    EXPECT_EQ(refused + answered, kThreads);
    while (gate.try_acquire()) {
    }
  }
}

TEST(ShutdownTest, WhoHoldsTheRuntimeIsRefusedAfterIt) {
  JoinEmbedded();
  const ObjectRef<int> ref = Put(3);
  const std::vector<internal::ReferencePtr> references = {ref.reference()};
  const auto runtime = internal::CurrentRuntime();
  Shutdown();
  EXPECT_FALSE(IsInitialized());
  EXPECT_EQ(runtime->Get(references, {}).error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(runtime->Wait(references, 1, {}).error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(runtime->Put({}).error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(runtime
                ->Borrow(references[0]->id,
                         std::make_shared<const std::string>(references[0]->owner->address))
                ->id,
            references[0]->id);
  JoinEmbedded();
  EXPECT_EQ(Get(Put(4)), 4);
  Shutdown();
}

}  // namespace
}  // namespace mobula
