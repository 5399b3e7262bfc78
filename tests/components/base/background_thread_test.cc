#include "components/base/background_thread.h"

#include <gtest/gtest.h>

#include <future>
#include <string>

#include "components/base/real/background_thread.h"
#include "components/base/real/event_loop.h"
#include "components/base/simulated/event_loop.h"
#include "sim/simulated_background_thread.h"
#include "tests/patience.h"

namespace mobula {
namespace {

TEST(SimulatedBackgroundThreadTest, WorkRunsLaterInOrderAndIsDroppedWithTheThread) {
  SimulatedEventLoop loop(1);
  std::string story;
  {
    sim::SimulatedBackgroundThread thread(loop);
    for (const char name : {'a', 'b'}) {
      thread.Run([&story, name] { story += name; }, [&story] { story += '.'; });
    }
    EXPECT_EQ(story, "");
    loop.RunUntilIdle(100);
    EXPECT_EQ(story, "ab..");
    thread.Run([&story] { story += "never"; }, [] {});
  }
  loop.RunUntilIdle(100);
  EXPECT_EQ(story, "ab..");
}

TEST(RealBackgroundThreadTest, WorkRunsBesideTheLoopAndIsHeardOnItInOrder) {
  RealEventLoop loop;
  std::string story;  // guarded by the state lock
  std::promise<std::thread::id> done;
  std::thread::id worked_on;
  RealBackgroundThread thread(loop);
  loop.RunInThread();
  loop.Enter([&] {
    thread.Run([&worked_on] { worked_on = std::this_thread::get_id(); }, [&] { story += 'a'; });
    thread.Run([] {},
               [&] {
                 story += 'b';
                 done.set_value(std::this_thread::get_id());
               });
  });
  EXPECT_NE(Within(done.get_future(), "the answer of the thread"), worked_on);
  loop.Enter([&] { EXPECT_EQ(story, "ab"); });
}

TEST(RealBackgroundThreadTest, EndsWithWorkThatRunsAndDropsTheRest) {
  RealEventLoop loop;
  std::promise<void> running;
  bool is_done = false;
  {
    RealBackgroundThread thread(loop);
    loop.Enter([&] {
      thread.Run(
          [&] {
            running.set_value();
            is_done = true;
          },
          [] { ADD_FAILURE() << "nobody is left to hear it"; });
    });
    Within(running.get_future(), "the work to begin");
  }
  EXPECT_TRUE(is_done);
  loop.PollOnce();
}

}  // namespace
}  // namespace mobula
