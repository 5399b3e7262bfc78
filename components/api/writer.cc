// \edge: turns values into bytes and back, kind by kind
#include "mobula/internal/writer.h"

#include <algorithm>

#include "components/base/check.h"
#include "components/base/config_value.h"

namespace mobula::internal {
namespace {

constexpr std::size_t kLengthMax = UINT32_MAX;  // of MessagePack

}  // namespace

void SerializedValue::CopyTo(std::span<std::byte> destination) const {
  Check(destination.size() == size, "a value is copied to a place of its own size");
  std::byte* const begin = destination.data();
  std::memcpy(begin, document.data(), document.size());
  std::size_t end = document.size();
  for (const Piece& piece : pieces) {
    std::memset(begin + end, 0, piece.offset - end);  // gaps are part of the value: keep it exact
    std::memcpy(begin + piece.offset, piece.bytes.bytes().data(), piece.bytes.size());
    end = piece.offset + piece.bytes.size();
  }
}

bool Writer::BeginSlow(std::size_t count, unsigned char wide_tag) {
  if (depth_ >= kDepthMax) {
    Fail(Error(ErrorCode::kInvalidArgument,
               fmt::format("the value is nested deeper than {} levels", kDepthMax)));
    return false;
  }
  if (!Header(count, 0, wide_tag, wide_tag + 1)) return false;
  ++depth_;
  return true;
}

/// \param tag8 0: there is no such form.
bool Writer::Header(std::size_t size, unsigned char tag8, unsigned char tag16,
                    unsigned char tag32) {
  char buffer[5];
  const char* end = nullptr;
  if (size <= UINT8_MAX && tag8 != 0) {
    end = PutTagged(buffer, tag8, static_cast<std::uint8_t>(size));
  } else if (size <= UINT16_MAX) {
    end = PutTagged(buffer, tag16, static_cast<std::uint16_t>(size));
  } else if (size <= kLengthMax) {
    end = PutTagged(buffer, tag32, static_cast<std::uint32_t>(size));
  } else {
    Fail(Error(ErrorCode::kInvalidArgument,
               fmt::format("a string or container of {} elements is longer than {}; for bytes "
                           "use a mobula::Buffer",
                           size, kLengthMax)));
    return false;
  }
  Append({buffer, static_cast<std::size_t>(end - buffer)});
  return true;
}

bool Writer::BeginFields(std::size_t& place) {
  place = document_.size();
  return BeginSlow(0, 0xdc);
}

void Writer::EndFields(std::size_t place, std::size_t count) {
  End();
  if (count > UINT16_MAX) {
    return Fail(Error(ErrorCode::kInvalidArgument,
                      fmt::format("a Serialize hook gave {} fields, at most {} are possible", count,
                                  UINT16_MAX)));
  }
  if (IsMeasured()) return;
  PutBigEndian(document_.data() + place + 1, static_cast<std::uint16_t>(count));
}

void Writer::Bytes(const Payload& bytes) {
  if (bytes.size() < kInlineBufferMax) return Binary(bytes.text());
  char header[18] = {'\xd8', static_cast<char>(kExtBuffer)};
  PutBigEndian(header + 10, static_cast<std::uint64_t>(bytes.size()));
  value_.pieces.push_back({document_.size() + 2, bytes});
  Append({header, sizeof header});
}

void Writer::Reference(const ReferencePtr& reference) {
  std::string body;
  if (reference != nullptr) {
    value_.references.push_back(reference);  // first: `owners_` looks into it
    const std::string_view owner = reference->owner == nullptr
                                       ? std::string_view()
                                       : std::string_view(reference->owner->address);
    const auto count = static_cast<std::uint32_t>(owners_.size());
    const auto [seen, is_new] = owners_.emplace(owner, count);
    body = reference->id.Binary();
    std::uint32_t index = seen->second;
    for (; index >= 0x80; index >>= 7) body.push_back(static_cast<char>(index | 0x80));
    body.push_back(static_cast<char>(index));
    if (is_new) body.append(owner);
  }
  if (!Header(body.size(), 0xc7, 0xc8, 0xc9)) return;
  Append(static_cast<char>(kExtReference));
  Append(body);
}

void Writer::Measure(std::size_t size) {
  measured_ += document_.size() + size;
  std::string().swap(document_);
  room_ = 0;
}

void Writer::Fail(Error error) {
  if (error_ == nullptr) error_ = std::make_unique<Error>(std::move(error));
}

Result<SerializedValue> Writer::Finish() && {
  if (error_ != nullptr) return mobula::Fail(std::move(*error_));
  value_.size = document_.size() + measured_;
  for (SerializedValue::Piece& piece : value_.pieces) {
    const std::size_t offset = AlignPiece(value_.size);
    if (!IsMeasured()) PutBigEndian(document_.data() + piece.offset, std::uint64_t{offset});
    piece.offset = offset;
    value_.size = offset + piece.bytes.size();
  }
  if (const auto runtime = value_.size > kWrittenAtOnceMax ? CurrentRuntime() : nullptr) {
    if (const std::uint64_t most = runtime->ValueBytesMax(); value_.size > most) {
      return mobula::Fail(ErrorCode::kStoreFull, "the value is {}, the store holds {}",
                          FormatSize(value_.size), FormatSize(most));
    }
  }
  value_.document = std::move(document_);
  return std::move(value_);
}

}  // namespace mobula::internal
