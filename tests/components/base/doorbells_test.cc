#include "components/base/real/doorbells.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <functional>
#include <thread>
#include <utility>
#include <vector>

namespace mobula {
namespace {

/// Counts how it was looked at.
class Rung final : public Pollable {
 public:
  bool Poll() override {
    ++looks;
    if (on_poll) on_poll();
    return std::exchange(has_news, false);
  }
  void SetPolled(bool polled) override {
    ++rests;
    is_polled = polled;
  }
  int looks = 0;
  int rests = 0;
  bool has_news = true;
  bool is_polled = false;
  std::function<void()> on_poll;
};

class DoorbellsTest : public testing::Test {
 protected:
  DoorbellsTest() {
    EXPECT_TRUE(doorbells_.Add(first_bell_, first_));
    EXPECT_TRUE(doorbells_.Add(second_bell_, second_));
  }
  ~DoorbellsTest() override {
    ::close(first_bell_);
    ::close(second_bell_);
  }
  [[nodiscard]] bool IsLoopCalled() const {
    pollfd look{.fd = doorbells_.loop_descriptor(), .events = POLLIN, .revents = 0};
    return ::poll(&look, 1, 0) == 1;
  }

  Doorbells doorbells_;
  Rung first_;
  Rung second_;
  const int first_bell_ = ::eventfd(0, EFD_NONBLOCK);
  const int second_bell_ = ::eventfd(0, EFD_NONBLOCK);
};

TEST_F(DoorbellsTest, TheLoopIsCalledAndOnlyWhoWasRungForIsLookedAt) {
  EXPECT_FALSE(IsLoopCalled());
  ::eventfd_write(second_bell_, 1);
  EXPECT_TRUE(IsLoopCalled());
  doorbells_.Answer(false);
  EXPECT_EQ(first_.looks, 0);
  EXPECT_EQ(second_.looks, 1);
  EXPECT_FALSE(IsLoopCalled());
}

TEST_F(DoorbellsTest, EveryRingCountsThoughNoneIsRead) {
  for (int i = 1; i <= 3; ++i) {
    ::eventfd_write(first_bell_, 1);
    doorbells_.Answer(false);
    EXPECT_EQ(first_.looks, i);
  }
}

TEST_F(DoorbellsTest, WhoIsRungForWithoutNewsIsToldToRestAgain) {
  first_.has_news = false;
  ::eventfd_write(first_bell_, 1);
  ::eventfd_write(second_bell_, 1);
  doorbells_.Answer(true);
  EXPECT_EQ(first_.rests, 1);
  EXPECT_TRUE(first_.is_polled);
  EXPECT_EQ(second_.rests, 0);
}

TEST_F(DoorbellsTest, WhileASleeperAnswersTheLoopIsNotCalled) {
  doorbells_.GiveToLoop(false);
  ::eventfd_write(first_bell_, 1);
  EXPECT_FALSE(IsLoopCalled());
  doorbells_.Sleep();  // returns: it rang
}

TEST_F(DoorbellsTest, WhatRangForASleeperThatNeverSleptRingsForTheLoop) {
  doorbells_.GiveToLoop(false);
  ::eventfd_write(first_bell_, 1);
  doorbells_.GiveToLoop(true);
  EXPECT_TRUE(IsLoopCalled());
  doorbells_.Answer(false);
  EXPECT_EQ(first_.looks, 1);
}

TEST_F(DoorbellsTest, WhatRangForTheLoopRingsForASleeper) {
  ::eventfd_write(first_bell_, 1);
  doorbells_.GiveToLoop(false);
  doorbells_.Sleep();
}

TEST_F(DoorbellsTest, ASleeperIsWokenByItsOwnProcess) {
  doorbells_.GiveToLoop(false);
  const std::jthread other([&] { doorbells_.Wake(); });
  doorbells_.Sleep();
}

TEST_F(DoorbellsTest, WhatIsRemovedMeanwhileIsLeftAlone) {
  const auto remove_both = [&] {
    doorbells_.Remove(first_bell_, first_);
    doorbells_.Remove(second_bell_, second_);
  };
  first_.on_poll = remove_both;
  second_.on_poll = remove_both;
  first_.has_news = second_.has_news = false;
  ::eventfd_write(first_bell_, 1);
  ::eventfd_write(second_bell_, 1);
  doorbells_.Answer(false);
  EXPECT_EQ(first_.looks + second_.looks, 1);
  EXPECT_EQ(first_.rests + second_.rests, 0);
  ::eventfd_write(first_bell_, 1);
  EXPECT_FALSE(IsLoopCalled());
}

TEST_F(DoorbellsTest, MoreThanAreAnsweredAtATimeAreAnsweredInTheEnd) {
  constexpr int kMany = 100;
  std::vector<Rung> rung(kMany);
  std::vector<int> bells;
  for (Rung& one : rung) {
    bells.push_back(::eventfd(1, EFD_NONBLOCK));
    EXPECT_TRUE(doorbells_.Add(bells.back(), one));
  }
  while (IsLoopCalled()) doorbells_.Answer(false);
  for (int i = 0; i < kMany; ++i) {
    EXPECT_EQ(rung[i].looks, 1);
    doorbells_.Remove(bells[i], rung[i]);
    ::close(bells[i]);
  }
}

}  // namespace
}  // namespace mobula
