// \edge: another transport behind the same interface
#include "components/transport/stream/frame_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "components/base/check.h"

namespace mobula::transport {

Result<std::size_t> FrameReader::Feed(std::span<const std::byte> bytes,
                                      const ConnectionLimits& limits) {
  std::size_t taken = 0;
  while (taken < bytes.size()) {
    const auto rest = bytes.subspan(taken);
    if (stage_ == Stage::kHeader) {
      const auto size = std::min<std::size_t>(rest.size(), kFrameHeaderBytes - filled_);
      std::memcpy(header_.data() + filled_, rest.data(), size);
      taken += size;
      filled_ += size;
      // A header may come in pieces. Nothing can be decided before all of it is here.
      if (filled_ < kFrameHeaderBytes) break;
      // Lengths are checked against the limits before any memory is taken for them.
      auto header = DecodeFrameHeader(header_, limits);
      if (!header) return Fail(std::move(header.error()));
      frame_.header = *header;
      EnterBody();
    } else if (stage_ == Stage::kAttachment && dropping_) {
      // The handler refused these bytes. They must be read all the same: the next frame is behind.
      const auto size =
          std::min<std::uint64_t>(rest.size(), frame_.header.attachment_bytes - filled_);
      taken += size;
      filled_ += size;
      EnterNextStage();
    } else if (const auto direct = Direct(); !direct.empty()) {
      const auto size = std::min(rest.size(), direct.size());
      std::memcpy(direct.data(), rest.data(), size);
      taken += size;
      Advance(size);
    } else {
      break;  // kPlace or kReady
    }
  }
  return taken;
}

void FrameReader::EnterBody() {
  stage_ = Stage::kBody;
  filled_ = 0;
  // Its memory is not set to zero first: the socket writes it next.
  const std::size_t size = frame_.header.body_bytes;  // libstdc++ 12 passes the capacity instead
  frame_.body.resize_and_overwrite(size, [size](char*, std::size_t) { return size; });
  EnterNextStage();
}

std::span<std::byte> FrameReader::Direct() {
  // Bytes can be read straight into the frame, without a copy, as soon as its size is known.
  if (stage_ == Stage::kBody) {
    return std::as_writable_bytes(std::span(frame_.body)).subspan(filled_);
  }
  if (stage_ == Stage::kAttachment && !dropping_) return destination_.bytes.subspan(filled_);
  return {};
}

void FrameReader::Advance(std::size_t size) {
  filled_ += size;
  EnterNextStage();
}

/// Moves on when the current stage has all its bytes.
void FrameReader::EnterNextStage() {
  if (stage_ == Stage::kBody && filled_ == frame_.header.body_bytes) {
    // The body says where the attachment belongs, so nothing of it is read until it has a place.
    stage_ = frame_.header.attachment_bytes > 0 ? Stage::kPlace : Stage::kReady;
  } else if (stage_ == Stage::kAttachment && filled_ == frame_.header.attachment_bytes) {
    stage_ = Stage::kReady;
  }
}

void FrameReader::Place(Result<WritablePayload> destination) {
  Check(stage_ == Stage::kPlace, "an attachment is placed when asked for");
  stage_ = Stage::kAttachment;
  filled_ = 0;
  dropping_ = !destination;  // the frame then arrives without its attachment
  if (dropping_) return;
  Check(destination->bytes.size() == frame_.header.attachment_bytes,
        "an attachment is placed in its exact size");
  // Bytes go straight there from now on: into the object store, if that is where they belong.
  destination_ = std::move(*destination);
}

Frame FrameReader::Take() {
  Check(stage_ == Stage::kReady, "a frame is taken when it is whole");
  stage_ = Stage::kHeader;
  filled_ = 0;
  // From here on the bytes are read-only, and shared by all who hold the frame.
  if (frame_.header.attachment_bytes > 0 && !dropping_) {
    frame_.attachment = std::exchange(destination_, {}).Freeze();
  }
  return std::exchange(frame_, {});
}

}  // namespace mobula::transport
