#include "components/transport/stream/frame_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "components/base/random.h"
#include "components/transport/stream/send_queue.h"

namespace mobula::transport {
namespace {

using Stage = FrameReader::Stage;

std::string Sent(SendQueue& queue) {
  std::string bytes;
  while (!queue.empty()) {
    iovec parts[3];
    const std::size_t used = queue.Fill(parts);
    std::size_t size = 0;
    for (std::size_t i = 0; i < used; ++i) {
      bytes.append(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
      size += parts[i].iov_len;
    }
    queue.Consume(size);
  }
  return bytes;
}

std::vector<Frame> Sample() {
  std::vector<Frame> frames;
  const std::size_t body_sizes[] = {0, 1, 39, 40, 41, 20'000, 0, 3};
  const std::size_t attachment_sizes[] = {0, 0, 1, 70'000, 0, 5, 9, 0};
  for (std::size_t i = 0; i < std::size(body_sizes); ++i) {
    Frame frame;
    frame.header.call_id = i;
    frame.body = std::string(body_sizes[i], static_cast<char>('a' + i));
    frame.attachment =
        Payload::FromString(std::string(attachment_sizes[i], static_cast<char>('A' + i)));
    frames.push_back(std::move(frame));
  }
  return frames;
}

/// Feeds `bytes` in pieces; sometimes directly into the destination, as a socket would.
std::vector<Frame> ReadBack(std::string_view bytes, const std::function<std::size_t()>& piece,
                            bool use_direct) {
  std::vector<Frame> frames;
  FrameReader reader;
  const auto deliver = [&] {
    if (reader.stage() == Stage::kPlace) {
      reader.Place(WritablePayload::Allocate(reader.frame().header.attachment_bytes));
    }
    if (reader.stage() == Stage::kReady) frames.push_back(reader.Take());
  };
  while (!bytes.empty()) {
    auto now = bytes.substr(0, piece());
    bytes.remove_prefix(now.size());
    while (!now.empty()) {
      const auto direct = reader.Direct();
      if (use_direct && !direct.empty()) {
        const std::size_t size = std::min(direct.size(), now.size());
        std::memcpy(direct.data(), now.data(), size);
        reader.Advance(size);
        now.remove_prefix(size);
      } else {
        const auto taken = reader.Feed(std::as_bytes(std::span(now)), ConnectionLimits{});
        EXPECT_TRUE(taken);
        if (!taken) return frames;
        now.remove_prefix(*taken);
      }
      deliver();
    }
  }
  return frames;
}

void ExpectEqual(const std::vector<Frame>& got, const std::vector<Frame>& sent) {
  ASSERT_EQ(got.size(), sent.size());
  for (std::size_t i = 0; i < sent.size(); ++i) {
    EXPECT_EQ(got[i].header.call_id, sent[i].header.call_id);
    EXPECT_TRUE(got[i].body == sent[i].body);
    EXPECT_TRUE(got[i].attachment.text() == sent[i].attachment.text());
  }
}

TEST(FrameReaderTest, AnySplittingGivesTheSameFrames) {
  SendQueue queue;
  const auto sent = Sample();
  for (const Frame& frame : sent) ASSERT_TRUE(queue.Push(frame));
  const std::string bytes = Sent(queue);
  EXPECT_EQ(queue.bytes(), 0U);
  EXPECT_EQ(queue.body_bytes(), 0U);
  for (const bool use_direct : {false, true}) {
    ExpectEqual(ReadBack(bytes, [] { return 1; }, use_direct), sent);
    ExpectEqual(ReadBack(bytes, [&] { return bytes.size(); }, use_direct), sent);
    Random random(3);
    for (int round = 0; round < 50; ++round) {
      ExpectEqual(ReadBack(bytes, [&] { return 1 + random.Below(5000); }, use_direct), sent);
    }
  }
}

TEST(FrameReaderTest, DamagedStreamsEndInAnErrorOrInFramesWithinTheLimits) {
  SendQueue queue;
  for (const Frame& frame : Sample()) ASSERT_TRUE(queue.Push(frame));
  const std::string whole = Sent(queue);
  const ConnectionLimits limits{.body_bytes_max = 30'000, .attachment_bytes_max = 100'000};
  Random random(11);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes = whole;
    const std::uint64_t damage = 1 + random.Below(8);
    for (std::uint64_t i = 0; i < damage; ++i) {
      // Most of it where headers are: the first kilobyte.
      bytes[random.Below(i % 2 == 0 ? 1000 : bytes.size())] = static_cast<char>(random.Next());
    }
    FrameReader reader;
    std::string_view rest = bytes;
    while (!rest.empty()) {
      const auto now = rest.substr(0, 1 + random.Below(50'000));
      const auto taken = reader.Feed(std::as_bytes(std::span(now)), limits);
      if (!taken) break;
      rest.remove_prefix(*taken);
      if (reader.stage() == Stage::kPlace) {
        ASSERT_LE(reader.frame().header.attachment_bytes, limits.attachment_bytes_max);
        if (random.Chance(0.5)) {
          reader.Place(WritablePayload::Allocate(reader.frame().header.attachment_bytes));
        } else {
          reader.Place(Fail(ErrorCode::kResourceExhausted, "no room"));
        }
      }
      if (reader.stage() == Stage::kReady) {
        ASSERT_LE(reader.Take().body.size(), limits.body_bytes_max);
      }
    }
  }
}

TEST(FrameReaderTest, BytesThatAreNoFrameAreRefusedAtTheHeader) {
  FrameReader reader;
  const std::string http = "GET / HTTP/1.1\r\nHost: localhost:6379\r\n\r\n";
  const auto taken = reader.Feed(std::as_bytes(std::span(http)), ConnectionLimits{});
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code(), ErrorCode::kCorrupt);
}

TEST(FrameReaderTest, AClaimOfFourGigabytesIsRefusedBeforeAnyAllocation) {
  FrameHeader header;
  header.body_bytes = UINT32_MAX;
  FrameReader reader;
  EXPECT_EQ(reader.Feed(EncodeFrameHeader(header), ConnectionLimits{}).error().code(),
            ErrorCode::kResourceExhausted);
  header.body_bytes = 0;
  header.attachment_bytes = UINT64_MAX;
  FrameReader other;
  EXPECT_EQ(other.Feed(EncodeFrameHeader(header), ConnectionLimits{}).error().code(),
            ErrorCode::kResourceExhausted);
}

TEST(SendQueueTest, SmallFramesRunTogetherAndLargePartsStayWhereTheyAre) {
  SendQueue queue;
  for (int i = 0; i < 100; ++i) {
    Frame frame;
    frame.body = "small";
    ASSERT_TRUE(queue.Push(std::move(frame)));
  }
  iovec parts[8];
  EXPECT_EQ(queue.Fill(parts), 1U);
  Frame frame;
  frame.body = std::string(SendQueue::kCopyMax + 1, 'x');
  const void* body = frame.body.data();
  frame.attachment = Payload::FromString("attached");
  const void* attachment = frame.attachment.bytes().data();
  ASSERT_TRUE(queue.Push(std::move(frame)));
  ASSERT_EQ(queue.Fill(parts), 3U);
  EXPECT_EQ(parts[1].iov_base, body);
  EXPECT_EQ(parts[2].iov_base, attachment);
}

TEST(SendQueueTest, ADescriptorTravelsWithTheFirstByteOfItsFrame) {
  SendQueue queue;
  Frame plain;
  ASSERT_TRUE(queue.Push(plain));
  Frame with;
  with.descriptor = 0;
  ASSERT_TRUE(queue.Push(with));
  ASSERT_TRUE(queue.Push(plain));
  iovec parts[8];
  EXPECT_EQ(queue.DescriptorToPass(), -1);
  ASSERT_EQ(queue.Fill(parts), 1U);
  EXPECT_EQ(parts[0].iov_len, kFrameHeaderBytes);
  queue.Consume(kFrameHeaderBytes);
  EXPECT_GE(queue.DescriptorToPass(), 0);
  queue.Consume(1);
  EXPECT_EQ(queue.DescriptorToPass(), -1) << "passed twice";
  queue.Consume(2 * kFrameHeaderBytes - 1);
  EXPECT_TRUE(queue.empty());
}

}  // namespace
}  // namespace mobula::transport
