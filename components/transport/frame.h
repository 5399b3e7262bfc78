/// \file
/// \brief The frame: a fixed header, a body, and raw bytes that are received in place.
///
///     offset  0  magic 'M' 'B'   (2)      8  call id            (8)
///             2  version         (1)     16  method             (4)
///             3  kind            (1)     20  deadline, ms       (4)   0: none
///             4  flags           (2)     24  body length        (4)
///             6  reserved, zero  (2)     28  reserved, zero     (4)
///                                        32  attachment length  (8)
///
/// Everything is little-endian; the header has `kFrameHeaderBytes` bytes. Whoever decodes checks
/// magic, version, kind, reserved bits and the lengths against its limits *before* it allocates.
/// Handshake frames keep this layout in every version and are read whatever version they carry, so
/// that a peer of another version can be told so.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "components/base/payload.h"
#include "components/base/result.h"

namespace mobula::transport {

inline constexpr std::uint8_t kProtocolVersion = 1;
inline constexpr std::size_t kFrameHeaderBytes = 40;

/// What a frame is. The numbers are on the wire.
enum class FrameKind : std::uint8_t {
  kHandshake = 1,  ///< Steps of handshake.h, before anything else.
  kRequest = 2,    ///< Wants a reply with the same call id.
  kReply = 3,      ///< Body is the reply message.
  kError = 4,      ///< Body is an encoded Error (rpc/error_codec.h).
  kCancel = 5,     ///< The caller no longer waits for this call id.
  kNotify = 6,     ///< A request nobody answers.
};

/// Flag: a file descriptor travels beside the frame. Set by the sender's unix connection only.
inline constexpr std::uint16_t kFrameHasDescriptor = 1;

/// The fixed part of a frame, decoded.
struct FrameHeader {
  FrameKind kind = FrameKind::kNotify;
  std::uint16_t flags = 0;             ///< `kFrameHasDescriptor`; a frame with others is refused.
  std::uint32_t method = 0;            ///< Method id of rpc/method.h.
  std::uint64_t call_id = 0;           ///< Chosen by the caller, unique per connection and side.
  std::uint32_t deadline_ms = 0;       ///< Time the caller will wait from sending; 0: no limit.
  std::uint32_t body_bytes = 0;        ///< Filled by the sender's connection.
  std::uint64_t attachment_bytes = 0;  ///< Filled by the sender's connection.
};

/// One message. `attachment` is not copied on its way: the sender keeps the memory until the frame
/// is written, the receiver names the destination (ConnectionHandler::PlaceAttachment).
struct Frame {
  FrameHeader header;
  std::string body{};
  Payload attachment{};
  int descriptor = -1;  ///< unix kinds only: a file descriptor to pass; owned by the frame's
                        ///< receiver once delivered, still the caller's after `Send`.
};

/// Named bounds of one connection, enforced before allocation.
struct ConnectionLimits {
  std::uint32_t body_bytes_max = 8U << 20;  ///< Control messages.
  /// Object bytes; who gives the destination decides too.
  std::uint64_t attachment_bytes_max = 1ULL << 40;
  /// Unsent bodies. Beyond it the connection closes with kResourceExhausted.
  std::uint64_t queued_bytes_max = 256ULL << 20;
};

/// \return kResourceExhausted with the numbers when a length of `header` is above `limits`.
[[nodiscard]] Result<void> CheckFrameLengths(const FrameHeader& header,
                                             const ConnectionLimits& limits);

/// Before the handshake is done nothing larger is accepted, and no attachment at all.
inline constexpr ConnectionLimits kUnauthenticatedLimits{
    .body_bytes_max = 4096, .attachment_bytes_max = 0, .queued_bytes_max = 64 << 10};

/// \return the bytes of `header`.
[[nodiscard]] std::array<std::byte, kFrameHeaderBytes> EncodeFrameHeader(const FrameHeader& header);
/// \return the header in `bytes`. kCorrupt when it is no frame of ours (with the field and
///         value), kVersionMismatch for another protocol version, kResourceExhausted when a length
///         is above `limits`. \pre bytes.size() == kFrameHeaderBytes.
[[nodiscard]] Result<FrameHeader> DecodeFrameHeader(std::span<const std::byte> bytes,
                                                    const ConnectionLimits& limits);

}  // namespace mobula::transport
