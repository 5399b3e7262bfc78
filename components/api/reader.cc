// \edge: turns values into bytes and back, kind by kind
#include "mobula/internal/reader.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

namespace mobula::internal {
namespace {

std::string_view KindOf(unsigned char first) {
  if (first < 0x80 || first >= 0xe0) return "integer";
  if (first < 0x90) return "map";
  if (first < 0xa0) return "array";
  if (first < 0xc0) return "string";
  static constexpr std::array<std::string_view, 32> kKinds = {
      "nil",       "unused code", "boolean",   "boolean",   "binary",  "binary",  "binary",
      "extension", "extension",   "extension", "float",     "float",   "integer", "integer",
      "integer",   "integer",     "integer",   "integer",   "integer", "integer", "extension",
      "extension", "extension",   "extension", "extension", "string",  "string",  "string",
      "array",     "array",       "map",       "map"};
  return kKinds[first - 0xc0];
}

}  // namespace

Reader::Reader(Payload value, Runtime* runtime)
    : value_(std::move(value)),
      runtime_(runtime),
      begin_(reinterpret_cast<const unsigned char*>(value_.bytes().data())),
      next_(begin_),
      end_(begin_ + value_.size()) {}

bool Reader::Fail(std::string_view message) {
  // The first error says where the document went wrong. What is read after it makes no sense.
  if (error_ == nullptr) {
    error_ = std::make_unique<Error>(ErrorCode::kCorrupt,
                                     fmt::format("{} at byte {}", message, next_ - begin_));
  }
  next_ = end_;  // whoever does not look at the result fails again at once
  return false;
}

bool Reader::FailExpected(std::string_view expected) {
  return Fail(
      fmt::format("expected {}, found {}", expected, next_ == end_ ? "the end" : KindOf(*next_)));
}

bool Reader::FailRange(const unsigned char* start, std::string_view type, std::uint64_t bits,
                       bool negative) {
  // The message names the place where the number begins, which has been read already.
  next_ = start;
  const std::string number =
      negative ? fmt::format("{}", static_cast<std::int64_t>(bits)) : fmt::format("{}", bits);
  return Fail(fmt::format("expected {}, found the number {}", Readable(type), number));
}

bool Reader::Has(std::size_t size) {
  // Lengths in the document come from outside. Each is compared with what is there before it is
  // used.
  if (left() >= size) return true;
  return Fail(fmt::format("expected {} more bytes, found {}", size, left()));
}

template <std::integral T>
bool Reader::Take(T& out) {
  if (!Has(sizeof(T))) return false;
  std::memcpy(&out, next_, sizeof(T));
  if constexpr (std::endian::native == std::endian::little) out = std::byteswap(out);
  next_ += sizeof(T);
  return true;
}

bool Reader::TakeSize(unsigned width, std::size_t& out) {
  if (!Has(width)) return false;
  out = 0;
  for (unsigned i = 0; i < width; ++i) out = out << 8 | *next_++;
  return true;
}

bool Reader::TakeView(std::size_t size, std::string_view& out) {
  if (!Has(size)) return false;
  out = {reinterpret_cast<const char*>(next_), size};
  next_ += size;
  return true;
}

bool Reader::Nil() {
  if (!NextIsNil()) return FailExpected("nil");
  ++next_;
  return true;
}

bool Reader::Bool(bool& out) {
  if (next_ == end_ || (*next_ != 0xc2 && *next_ != 0xc3)) return FailExpected("boolean");
  out = *next_++ == 0xc3;
  return true;
}

bool Reader::AnyInteger(std::uint64_t& bits, bool& negative) {
  if (next_ == end_) return FailExpected("integer");
  const unsigned char first = *next_;
  // One byte holds the numbers from -32 to 127, the most frequent ones, sign and all.
  if (first >= 0xe0) {
    bits = ~std::uint64_t{0xff} | first;
    negative = true;
    ++next_;
    return true;
  }
  if (first < 0x80) {
    bits = first;
    ++next_;
    return true;
  }
  // All others say in their code how many bytes follow, and whether they have a sign.
  if (first < 0xcc || first > 0xd3) return FailExpected("integer");
  ++next_;
  std::size_t wide = 0;
  const unsigned width = 1U << (first - 0xcc) % 4;
  if (!TakeSize(width, wide)) return false;
  bits = wide;
  if (first >= 0xd0) {  // signed: extend the sign
    const unsigned shift = 64 - 8 * width;
    const auto value = static_cast<std::int64_t>(bits << shift) >> shift;
    bits = static_cast<std::uint64_t>(value);
    negative = value < 0;
  }
  return true;
}

bool Reader::Float(double& out) {
  if (next_ == end_ || (*next_ != 0xca && *next_ != 0xcb)) return FailExpected("float");
  // A `float` travels in four bytes, and every one of them is also a `double`.
  if (*next_++ == 0xca) {
    std::uint32_t bits = 0;
    if (!Take(bits)) return false;
    out = std::bit_cast<float>(bits);
    return true;
  }
  std::uint64_t bits = 0;
  if (!Take(bits)) return false;
  out = std::bit_cast<double>(bits);
  return true;
}

bool Reader::String(std::string_view& out) {
  if (next_ == end_) return FailExpected("string");
  const unsigned char first = *next_;
  // Up to 31 bytes, the length is part of the code. Longer strings have it in the bytes that
  // follow.
  const bool is_small = first >= 0xa0 && first < 0xc0;
  if (!is_small && (first < 0xd9 || first > 0xdb)) return FailExpected("string");
  ++next_;
  std::size_t size = first & 0x1fU;
  if (!is_small && !TakeSize(1U << (first - 0xd9), size)) return false;
  return TakeView(size, out);
}

bool Reader::Binary(std::string_view& out) {
  if (next_ == end_ || *next_ < 0xc4 || *next_ > 0xc6) return FailExpected("binary");
  const unsigned width = 1U << (*next_++ - 0xc4);
  std::size_t size = 0;
  return TakeSize(width, size) && TakeView(size, out);
}

bool Reader::Enter(std::size_t& count, unsigned width, std::size_t bytes_each) {
  // Each level is a call of ours. A hostile document could otherwise use up the stack.
  if (depth_ >= kDepthMax) return Fail(fmt::format("nested deeper than {} levels", kDepthMax));
  ++next_;
  if (width != 0 && !TakeSize(width, count)) return false;
  // A container of so many elements cannot fit into the bytes that are left, however small they
  // are. Its caller would reserve memory for all of them.
  if (count > left() / bytes_each) {
    return Fail(fmt::format("a container of {} elements in {} bytes", count, left()));
  }
  ++depth_;
  return true;
}

bool Reader::BeginArray(std::size_t& count) {
  if (next_ == end_) return FailExpected("array");
  const unsigned char first = *next_;
  count = first & 0x0fU;
  if (first >= 0x90 && first < 0xa0) return Enter(count, 0, 1);
  if (first != 0xdc && first != 0xdd) return FailExpected("array");
  return Enter(count, first == 0xdc ? 2 : 4, 1);
}

bool Reader::BeginMap(std::size_t& count) {
  if (next_ == end_) return FailExpected("map");
  const unsigned char first = *next_;
  count = first & 0x0fU;
  if (first >= 0x80 && first < 0x90) return Enter(count, 0, 2);
  if (first != 0xde && first != 0xdf) return FailExpected("map");
  return Enter(count, first == 0xde ? 2 : 4, 2);
}

bool Reader::BeginFields(std::size_t count, std::string_view type) {
  std::size_t found = 0;
  if (!BeginArray(found)) return false;
  // An aggregate travels as an array of its members. Another number of them means another version
  // of the type.
  if (found == count) return true;
  return Fail(fmt::format("expected the {} values of {}, found {}", count, Readable(type), found));
}

bool Reader::Extension(std::uint8_t type, std::string_view name, std::string_view& body) {
  const unsigned char first = next_ == end_ ? 0xc0 : *next_;
  // Extensions of 1, 2, 4, 8 or 16 bytes have a code each, and need no length.
  const bool is_fixed = first >= 0xd4 && first <= 0xd8;
  if (!is_fixed && (first < 0xc7 || first > 0xc9)) return FailExpected(name);
  ++next_;
  std::size_t size = is_fixed ? std::size_t{1} << (first - 0xd4) : 0;
  std::uint8_t found = 0;
  if (!is_fixed && !TakeSize(1U << (first - 0xc7), size)) return false;
  if (!Take(found)) return false;
  if (found != type) return Fail(fmt::format("expected {}, found extension {}", name, found));
  return TakeView(size, body);
}

bool Reader::Bytes(Payload& out) {
  // Small buffers stand in the document itself. The payload is a part of the object's memory, not a
  // copy.
  if (next_ != end_ && *next_ >= 0xc4 && *next_ <= 0xc6) {
    std::string_view view;
    if (!Binary(view)) return false;
    const auto end = static_cast<std::size_t>(next_ - begin_);
    out = value_.Slice(end - view.size(), view.size());
    return true;
  }
  std::string_view body;
  // Large ones lie behind the document, aligned, and the document has only their place.
  if (!Extension(kExtBuffer, "binary", body)) return false;
  if (body.size() != 16) return Fail("a buffer is named by 16 bytes");
  std::uint64_t place[2];
  for (std::size_t i = 0; i < 2; ++i) {
    std::memcpy(&place[i], body.data() + 8 * i, 8);
    if constexpr (std::endian::native == std::endian::little) place[i] = std::byteswap(place[i]);
  }
  const auto [offset, size] = place;
  // The pieces lie behind the document, in order and without a gap. Anything else was not written
  // by us, and could make two buffers share bytes or name bytes that are not there.
  if (offset % kPieceAlignment != 0 || offset < static_cast<std::size_t>(next_ - begin_) ||
      offset > value_.size() || size > value_.size() - offset ||
      (first_piece_ != 0 && offset != AlignPiece(pieces_end_))) {
    return Fail(fmt::format("a buffer of {} bytes at offset {} in an object of {}", size, offset,
                            value_.size()));
  }
  if (first_piece_ == 0) {
    // The first piece tells where the document ends: behind it there is nothing to decode.
    first_piece_ = offset;
    end_ = begin_ + offset;  // the document ends before the first piece
  }
  pieces_end_ = offset + size;
  out = value_.Slice(offset, size);
  return true;
}

bool Reader::Reference(ReferencePtr& out) {
  std::string_view body;
  if (!Extension(kExtReference, "an ObjectRef", body)) return false;
  // An empty body is a reference to nothing.
  out = nullptr;
  if (body.empty()) return true;
  if (body.size() <= ObjectId::kSize) return Fail("an ObjectRef is cut short");
  const ObjectId id = ObjectId::FromBinaryOrNil(body.substr(0, ObjectId::kSize));
  std::size_t place = ObjectId::kSize;
  // The owner follows as a number, seven bits a byte: many references of one value have few owners.
  std::uint64_t index = 0;
  for (unsigned shift = 0; shift < 35; shift += 7) {
    if (place == body.size()) return Fail("the owner of an ObjectRef is cut short");
    const auto byte = static_cast<unsigned char>(body[place++]);
    index |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
    if (byte < 0x80) break;
  }
  const std::string_view owner = body.substr(place);
  // The first reference of each owner brings its address, and later ones only its number.
  if (index > owners_.size() || (index < owners_.size() && !owner.empty())) {
    return Fail(fmt::format("an ObjectRef names owner {} of {}", index, owners_.size()));
  }
  if (index == owners_.size()) owners_.push_back(std::make_shared<const std::string>(owner));
  // A document that is read outside of a process of the cluster, by a tool, has nothing to hold it.
  if (runtime_ == nullptr) return Fail("an ObjectRef, but no runtime to hold it,");
  // This process holds the object from here on, and tells its owner so.
  out = runtime_->Borrow(id, owners_[index]);
  return true;
}

Result<void> Reader::Finish() {
  if (error_ == nullptr) {
    const auto used = static_cast<std::size_t>(next_ - begin_);
    // Bytes that are left over mean that writer and reader have different types in mind.
    const bool whole = first_piece_ == 0
                           ? left() == 0
                           : AlignPiece(used) == first_piece_ && pieces_end_ == value_.size();
    if (!whole) Fail(fmt::format("{} bytes are left over", value_.size() - used));
  }
  if (error_ != nullptr) return mobula::Fail(std::move(*error_));
  return {};
}

}  // namespace mobula::internal
