#include "components/transport/shared_memory/ring.h"

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace mobula::transport {
namespace {

class RingTest : public testing::Test {
 protected:
  ssize_t Write(std::string_view text) {
    const iovec part{const_cast<char*>(text.data()), text.size()};
    return writer_.Write(std::span(&part, 1));
  }
  std::string Read(std::size_t size) {
    std::string text(size, '?');
    const ssize_t got = reader_.Read({}, std::as_writable_bytes(std::span(text)));
    text.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    return text;
  }

  RingState state_{};
  std::array<std::byte, 64> bytes_{};
  RingWriter writer_{state_, bytes_};
  RingReader reader_{state_, bytes_};
};

TEST_F(RingTest, WhatIsWrittenIsReadInOrderAcrossTheEnd) {
  for (int round = 0; round < 20; ++round) {
    ASSERT_EQ(Write("0123456789012345678901234567890123456789"), 40);
    EXPECT_EQ(Read(15), "012345678901234");
    EXPECT_EQ(Read(100), "5678901234567890123456789");
    EXPECT_EQ(Read(100), "");
  }
}

TEST_F(RingTest, AFullRingTakesWhatFitsAndThenNothing) {
  EXPECT_EQ(Write(std::string(50, 'a')), 50);
  EXPECT_EQ(Write(std::string(50, 'b')), 14);
  EXPECT_EQ(Write("c"), 0);
  EXPECT_FALSE(writer_.HasRoom());
  EXPECT_EQ(Read(60), std::string(50, 'a') + std::string(10, 'b'));
  EXPECT_EQ(Write(std::string(100, 'd')), 60);
  EXPECT_EQ(Read(100), std::string(4, 'b') + std::string(60, 'd'));
}

TEST_F(RingTest, ManyPartsAreOneWriteAndTwoPlacesOneRead) {
  std::string a = "abc";
  std::string b(58, 'b');
  std::string c = "cdef";
  const std::array parts = {iovec{a.data(), a.size()}, iovec{b.data(), b.size()},
                            iovec{c.data(), c.size()}};
  EXPECT_EQ(writer_.Write(parts), 64);
  std::string first(5, '?');
  std::string then(100, '?');
  EXPECT_EQ(reader_.Read(std::as_writable_bytes(std::span(first)),
                         std::as_writable_bytes(std::span(then))),
            64);
  EXPECT_EQ(first, "abcbb");
  EXPECT_EQ(then.substr(0, 59), std::string(56, 'b') + "cde");
}

TEST_F(RingTest, EachSideSaysOnWhichCoreItWasWhenOneSlept) {
  EXPECT_TRUE(reader_.Park(3));
  EXPECT_TRUE(writer_.TakeParked(5));
  EXPECT_EQ(writer_.reader_core(), 3);
  EXPECT_TRUE(reader_.Unpark()) << "rung for";
  EXPECT_EQ(reader_.writer_core(), 5);
  EXPECT_TRUE(reader_.Park(4));
  EXPECT_FALSE(reader_.Unpark()) << "woke for another reason";
  EXPECT_FALSE(reader_.Unpark()) << "was not asleep";
}

TEST_F(RingTest, AReaderThatParksIsRungForOnceAndNotIfSomethingIsThere) {
  EXPECT_FALSE(writer_.TakeParked(0));
  EXPECT_TRUE(reader_.Park(0));
  Write("x");
  EXPECT_TRUE(writer_.TakeParked(0));
  EXPECT_FALSE(writer_.TakeParked(0));
  EXPECT_FALSE(reader_.Park(0)) << "there is a byte";
  EXPECT_EQ(Read(9), "x");
  EXPECT_TRUE(reader_.Park(0));
  reader_.Unpark();
  EXPECT_FALSE(writer_.TakeParked(0));
}

TEST_F(RingTest, AWriterThatWaitsIsRungForWhenThereIsRoom) {
  EXPECT_FALSE(writer_.WaitForRoom()) << "there is room";
  EXPECT_TRUE(reader_.TakeWaiting());
  Write(std::string(64, 'a'));
  EXPECT_TRUE(writer_.WaitForRoom());
  Read(1);
  EXPECT_TRUE(reader_.TakeWaiting());
  EXPECT_FALSE(reader_.TakeWaiting());
}

TEST_F(RingTest, IndicesThatMakeNoSenseAreAnErrorAndTouchNothing) {
  state_.tail = 1000;
  std::string text(100, '?');
  EXPECT_EQ(reader_.Read({}, std::as_writable_bytes(std::span(text))), -EBADMSG);
  EXPECT_EQ(text, std::string(100, '?'));
  Write(std::string(64, 'a'));
  state_.head = 1000;
  EXPECT_EQ(Write("b"), -EBADMSG);
}

TEST_F(RingTest, TwoThreadsPassEveryByteWithoutALostWake) {
  constexpr int kBytes = 200'000;
  std::atomic<int> rung_reader = 0;
  std::atomic<int> rung_writer = 0;
  std::jthread other([&] {
    std::minstd_rand random(1);
    for (int sent = 0; sent < kBytes;) {
      std::string text(1 + random() % 90, '\0');
      for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>((sent + i) % 251);
      text.resize(std::min<std::size_t>(text.size(), kBytes - sent));
      const ssize_t written = Write(text);
      ASSERT_GE(written, 0);
      sent += static_cast<int>(written);
      if (writer_.TakeParked(0)) {
        ++rung_reader;
        rung_reader.notify_one();
      }
      if (written > 0) continue;
      const int seen = rung_writer;
      if (writer_.WaitForRoom()) rung_writer.wait(seen);
    }
  });
  int received = 0;
  while (received < kBytes) {
    const std::string text = Read(70);
    for (const char c : text) ASSERT_EQ(c, static_cast<char>(received++ % 251));
    if (reader_.TakeWaiting()) {
      ++rung_writer;
      rung_writer.notify_one();
    }
    if (!text.empty()) continue;
    const int seen = rung_reader;
    if (reader_.Park(0)) rung_reader.wait(seen);
  }
}

}  // namespace
}  // namespace mobula::transport
