#include "components/transport/frame.h"

#include <gtest/gtest.h>

#include "components/base/random.h"
#include "components/transport/transport.h"

namespace mobula::transport {
namespace {

FrameHeader Sample() {
  return {.kind = FrameKind::kRequest,
          .flags = kFrameHasDescriptor,
          .method = 0x0102'0304,
          .call_id = 0x1112'1314'1516'1718,
          .deadline_ms = 0x2122'2324,
          .body_bytes = 0x31'32,
          .attachment_bytes = 0x41'4243};
}

struct Mutation {
  const char* name;
  std::size_t offset;
  int value;
  ErrorCode wanted;
  const char* message_part;
};

class FrameMutationTest : public testing::TestWithParam<Mutation> {};

TEST_P(FrameMutationTest, IsRefusedWithTheFieldNamed) {
  auto bytes = EncodeFrameHeader(Sample());
  bytes[GetParam().offset] = static_cast<std::byte>(GetParam().value);
  const auto decoded = DecodeFrameHeader(bytes, ConnectionLimits{});
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code(), GetParam().wanted);
  EXPECT_NE(decoded.error().message().find(GetParam().message_part), std::string::npos)
      << decoded.error().message();
}

TEST(FrameTest, WhatBeginsAsAnotherProtocolIsNamed) {
  const auto why = [](std::string_view text) {
    std::string bytes(text);
    bytes.resize(kFrameHeaderBytes);
    return DecodeFrameHeader(std::as_bytes(std::span(bytes)), {}).error().message();
  };
  EXPECT_EQ(why("GET / HTTP/1.1"),
            "not a frame but HTTP: it begins with bytes 47 45 instead of 'MB'");
  EXPECT_EQ(why("HTTP/1.1 400"),
            "not a frame but HTTP: it begins with bytes 48 54 instead of 'MB'");
  EXPECT_EQ(why("\x16\x03\x01"), "not a frame but TLS: it begins with bytes 16 03 instead of 'MB'");
  EXPECT_EQ(why("\x16\xff"), "not a frame: it begins with bytes 16 ff instead of 'MB'");
}

INSTANTIATE_TEST_SUITE_P(
    Table, FrameMutationTest,
    testing::Values(Mutation{"Magic0", 0, 'G', ErrorCode::kCorrupt, "not a frame"},
                    Mutation{"Magic1", 1, 'E', ErrorCode::kCorrupt, "4d 45"},
                    Mutation{"Version", 2, 9, ErrorCode::kVersionMismatch, "version 9"},
                    Mutation{"KindZero", 3, 0, ErrorCode::kCorrupt, "kind 0"},
                    Mutation{"KindHigh", 3, 7, ErrorCode::kCorrupt, "kind 7"},
                    Mutation{"Flags", 4, 2, ErrorCode::kCorrupt, "flags 0x0002"},
                    Mutation{"ReservedLow", 6, 1, ErrorCode::kCorrupt, "reserved"},
                    Mutation{"ReservedHigh", 31, 1, ErrorCode::kCorrupt, "reserved"},
                    Mutation{"Body", 27, 0xFF, ErrorCode::kResourceExhausted, "body"},
                    Mutation{"Attachment", 39, 1, ErrorCode::kResourceExhausted, "attachment"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(FrameTest, HeaderSurvivesTheWire) {
  const FrameHeader sent = Sample();
  const auto got = DecodeFrameHeader(EncodeFrameHeader(sent), ConnectionLimits{});
  ASSERT_TRUE(got);
  EXPECT_EQ(got->kind, sent.kind);
  EXPECT_EQ(got->flags, sent.flags);
  EXPECT_EQ(got->method, sent.method);
  EXPECT_EQ(got->call_id, sent.call_id);
  EXPECT_EQ(got->deadline_ms, sent.deadline_ms);
  EXPECT_EQ(got->body_bytes, sent.body_bytes);
  EXPECT_EQ(got->attachment_bytes, sent.attachment_bytes);
}

TEST(FrameTest, HeaderHasTheDocumentedLayout) {
  const auto bytes = EncodeFrameHeader(Sample());
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  EXPECT_EQ(ToHex(text),
            "4d420102"
            "01000000"
            "1817161514131211"
            "04030201"
            "24232221"
            "32310000"
            "00000000"
            "4342410000000000");
}

TEST(FrameTest, RandomBytesAreRefusedOrDecodedButNeverTrusted) {
  Random random(7);
  const ConnectionLimits limits{.body_bytes_max = 100, .attachment_bytes_max = 1000};
  for (int round = 0; round < 200'000; ++round) {
    auto bytes = EncodeFrameHeader({.kind = FrameKind::kNotify});
    const std::uint64_t changes = random.Below(6);
    for (std::uint64_t i = 0; i < changes; ++i) {
      bytes[random.Below(bytes.size())] = static_cast<std::byte>(random.Next());
    }
    const auto header = DecodeFrameHeader(bytes, limits);
    if (!header) continue;
    EXPECT_LE(header->body_bytes, limits.body_bytes_max);
    EXPECT_LE(header->attachment_bytes, limits.attachment_bytes_max);
    bytes[2] = std::byte{kProtocolVersion};  // handshake frames may carry another
    EXPECT_EQ(EncodeFrameHeader(*header), bytes);
  }
}

TEST(EndpointTest, PartsAreFound) {
  const auto tcp = ParseEndpoint("tcp://10.0.0.5:6379");
  ASSERT_TRUE(tcp);
  EXPECT_EQ(tcp->scheme, "tcp");
  EXPECT_EQ(tcp->host, "10.0.0.5");
  EXPECT_EQ(tcp->port, 6379);
  const auto bare = ParseEndpoint("head:80");
  ASSERT_TRUE(bare);
  EXPECT_EQ(bare->scheme, "tcp");
  EXPECT_EQ(bare->host, "head");
  const auto path = ParseEndpoint("unix:///run/x.sock");
  ASSERT_TRUE(path);
  EXPECT_EQ(path->scheme, "unix");
  EXPECT_EQ(path->path, "/run/x.sock");
  EXPECT_EQ(ParseEndpoint("sim://n1/gcs")->path, "n1/gcs");
}

TEST(EndpointTest, MalformedOnesAreRefusedWithAnExample) {
  for (const char* text :
       {"", "host", "tcp://", "tcp://host", "tcp://host:", "tcp://:80", "tcp://host:70000",
        "tcp://host:8x", "tcp://a:b:80", "unix://", "://x"}) {
    const auto parsed = ParseEndpoint(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(parsed.error().message().find("such as"), std::string::npos);
  }
}

}  // namespace
}  // namespace mobula::transport
