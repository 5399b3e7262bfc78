#include "components/transport/frame.h"

#include <concepts>

#include "components/base/check.h"

namespace mobula::transport {
namespace {

constexpr std::byte kMagic0{'M'};
constexpr std::byte kMagic1{'B'};

/// Writes and reads little-endian integers at fixed offsets, on any machine.
template <std::unsigned_integral T>
void Put(std::span<std::byte> bytes, std::size_t offset, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    bytes[offset + i] = static_cast<std::byte>(static_cast<std::uint64_t>(value) >> (8 * i));
  }
}

template <std::unsigned_integral T>
T Get(std::span<const std::byte> bytes, std::size_t offset) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    value |= static_cast<std::uint64_t>(bytes[offset + i]) << (8 * i);
  }
  return static_cast<T>(value);
}

/// \return what else `bytes` are the beginning of, for people; empty if nobody knows.
std::string_view LooksLike(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (const std::string_view word : {"GET ", "POST ", "PUT ", "HEAD ", "OPTIONS ", "HTTP/"}) {
    if (text.starts_with(word)) return " but HTTP";
  }
  return text[0] >= 0x14 && text[0] <= 0x17 && text[1] == 3 ? " but TLS" : "";
}

}  // namespace

std::array<std::byte, kFrameHeaderBytes> EncodeFrameHeader(const FrameHeader& header) {
  std::array<std::byte, kFrameHeaderBytes> bytes{};
  bytes[0] = kMagic0;
  bytes[1] = kMagic1;
  bytes[2] = std::byte{kProtocolVersion};
  bytes[3] = static_cast<std::byte>(header.kind);
  Put(bytes, 4, header.flags);
  Put(bytes, 8, header.call_id);
  Put(bytes, 16, header.method);
  Put(bytes, 20, header.deadline_ms);
  Put(bytes, 24, header.body_bytes);
  Put(bytes, 32, header.attachment_bytes);
  return bytes;
}

Result<void> CheckFrameLengths(const FrameHeader& header, const ConnectionLimits& limits) {
  if (header.body_bytes > limits.body_bytes_max) {
    return Fail(ErrorCode::kResourceExhausted, "a frame has a body of {} bytes, allowed are {}",
                header.body_bytes, limits.body_bytes_max);
  }
  if (header.attachment_bytes > limits.attachment_bytes_max) {
    return Fail(ErrorCode::kResourceExhausted,
                "a frame has an attachment of {} bytes, allowed are {}", header.attachment_bytes,
                limits.attachment_bytes_max);
  }
  return {};
}

Result<FrameHeader> DecodeFrameHeader(std::span<const std::byte> bytes,
                                      const ConnectionLimits& limits) {
  Check(bytes.size() == kFrameHeaderBytes, "a frame header is decoded whole");
  // A browser or another program has found the port. Its first bytes are told, as they say which.
  if (bytes[0] != kMagic0 || bytes[1] != kMagic1) {
    return Fail(ErrorCode::kCorrupt,
                "not a frame{}: it begins with bytes {:02x} {:02x} instead of 'MB'",
                LooksLike(bytes), std::to_integer<int>(bytes[0]), std::to_integer<int>(bytes[1]));
  }
  // The handshake must pass between all versions, because only it can refuse the other politely.
  const auto version = Get<std::uint8_t>(bytes, 2);
  if (version != kProtocolVersion && bytes[3] != static_cast<std::byte>(FrameKind::kHandshake)) {
    return Fail(ErrorCode::kVersionMismatch,
                "a frame has protocol version {}, this build speaks version {}", version,
                kProtocolVersion);
  }
  const auto kind = Get<std::uint8_t>(bytes, 3);
  if (kind < static_cast<std::uint8_t>(FrameKind::kHandshake) ||
      kind > static_cast<std::uint8_t>(FrameKind::kNotify)) {
    return Fail(ErrorCode::kCorrupt, "a frame has unknown kind {}", kind);
  }
  FrameHeader header;
  header.kind = static_cast<FrameKind>(kind);
  header.flags = Get<std::uint16_t>(bytes, 4);
  // A flag or a reserved bit that this build does not know could change what the frame means.
  if ((header.flags & ~kFrameHasDescriptor) != 0) {
    return Fail(ErrorCode::kCorrupt, "a frame has unknown flags {:#06x}", header.flags);
  }
  if (Get<std::uint16_t>(bytes, 6) != 0 || Get<std::uint32_t>(bytes, 28) != 0) {
    return Fail(ErrorCode::kCorrupt, "a frame has reserved bits set");
  }
  header.call_id = Get<std::uint64_t>(bytes, 8);
  header.method = Get<std::uint32_t>(bytes, 16);
  header.deadline_ms = Get<std::uint32_t>(bytes, 20);
  header.body_bytes = Get<std::uint32_t>(bytes, 24);
  header.attachment_bytes = Get<std::uint64_t>(bytes, 32);
  // No memory is taken for lengths that are not allowed: the far side may have made them up.
  if (auto fits = CheckFrameLengths(header, limits); !fits) return Fail(std::move(fits.error()));
  return header;
}

}  // namespace mobula::transport
