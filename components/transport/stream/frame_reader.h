/// \file
/// \brief Puts frames together from a stream of bytes that arrives in pieces of any size.
///
///                 header        body          (attachment?)
///     kHeader ──────────► kBody ────► kPlace ──Place()──► kAttachment ──► kReady
///        ▲                  └───────────────(none)─────────────────────────►│
///        └─────────────────────────────Take()───────────────────────────────┘
///
/// Bodies and attachments can be received straight into their destination: `Direct()` names it.
#pragma once

#include <cstddef>
#include <span>

#include "components/transport/frame.h"

namespace mobula::transport {

/// Decodes one direction of a connection. Threads: one. Cost: no copy of what is received direct.
class FrameReader {
 public:
  enum class Stage : std::uint8_t { kHeader, kBody, kPlace, kAttachment, kReady };

  [[nodiscard]] Stage stage() const { return stage_; }

  /// Takes in `bytes` until they end, or a destination is needed (kPlace), or a frame is whole
  /// (kReady). \return how many were taken. Errors: those of `DecodeFrameHeader`.
  [[nodiscard]] Result<std::size_t> Feed(std::span<const std::byte> bytes,
                                         const ConnectionLimits& limits);

  /// \return where the next bytes of the stream may be written instead of being fed; often empty.
  [[nodiscard]] std::span<std::byte> Direct();
  /// Says that `size` bytes were written to `Direct()`.
  void Advance(std::size_t size);

  /// \return header and body of the frame under way. \pre kPlace or later.
  [[nodiscard]] const Frame& frame() const { return frame_; }
  /// Answers kPlace; an error makes the attachment be dropped. \pre kPlace.
  void Place(Result<WritablePayload> destination);
  /// \return the frame. \pre kReady.
  [[nodiscard]] Frame Take();

 private:
  void EnterBody();
  void EnterNextStage();

  Stage stage_ = Stage::kHeader;
  std::array<std::byte, kFrameHeaderBytes> header_{};
  Frame frame_;
  WritablePayload destination_;
  bool dropping_ = false;     // the attachment has no destination
  std::uint64_t filled_ = 0;  // bytes of the current stage that are here
};

}  // namespace mobula::transport
