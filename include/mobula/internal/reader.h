/// \file
/// \edge
/// \brief Reads a value that `Writer` wrote, or that an attacker wrote to look like one.
///
/// Strict: every length is checked against the bytes that are left before anything is allocated,
/// nesting is bounded, numbers must fit, and nothing may be left over. The first failure sticks;
/// every later read fails too. Messages say what was expected, what was found, and where.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "mobula/internal/type_name.h"
#include "mobula/internal/writer.h"

namespace mobula::internal {

/// One object being read. Threads: one at a time. Lifetime: views that it hands out share
/// `value`, or are valid as long as it is (strings).
class Reader {
 public:
  /// \param runtime makes handles for the references inside; null if there may be none.
  Reader(Payload value, Runtime* runtime);
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // Each returns false on failure and leaves `out` unspecified then.
  bool Nil();
  bool Bool(bool& out);
  template <std::integral T>
  bool Integer(T& out) {
    if (next_ != end_ && *next_ < 0x80) [[likely]] {
      out = static_cast<T>(*next_++);
      return true;
    }
    std::uint64_t bits = 0;
    bool negative = false;
    const unsigned char* const start = next_;
    if (!AnyInteger(bits, negative)) return false;
    if (negative
            ? std::is_unsigned_v<T> || static_cast<std::int64_t>(bits) <
                                           static_cast<std::int64_t>(std::numeric_limits<T>::min())
            : bits > static_cast<std::uint64_t>(std::numeric_limits<T>::max())) {
      return FailRange(start, TypeName<T>(), bits, negative);
    }
    out = static_cast<T>(bits);
    return true;
  }
  /// Accepts both sizes of floats, no integers.
  bool Float(double& out);
  bool String(std::string_view& out);
  bool Binary(std::string_view& out);
  /// Opens an array or a map. Its claimed length is possible in the bytes that are left.
  bool BeginArray(std::size_t& count);
  bool BeginMap(std::size_t& count);
  /// Opens an array that must have this many values.
  bool BeginFields(std::size_t count, std::string_view type);
  void End() { --depth_; }
  /// Bytes from the document or from beside it, sharing the memory of the object.
  bool Bytes(Payload& out);
  /// \param out null for a null reference.
  bool Reference(ReferencePtr& out);

  [[nodiscard]] bool NextIsNil() const { return next_ != end_ && *next_ == 0xc0; }
  [[nodiscard]] std::size_t left() const { return static_cast<std::size_t>(end_ - next_); }

  /// Keeps the first failure, kCorrupt with this message and the place. \return false.
  bool Fail(std::string_view message);
  [[nodiscard]] bool ok() const { return error_ == nullptr; }
  /// Ends the reading. \return kCorrupt if something failed or is left over.
  [[nodiscard]] Result<void> Finish();

 private:
  bool AnyInteger(std::uint64_t& bits, bool& negative);
  bool FailRange(const unsigned char* start, std::string_view type, std::uint64_t bits,
                 bool negative);
  bool FailExpected(std::string_view expected);
  bool Has(std::size_t size);
  template <std::integral T>
  bool Take(T& out);
  bool TakeSize(unsigned width, std::size_t& out);
  bool TakeView(std::size_t size, std::string_view& out);
  bool Enter(std::size_t& count, unsigned width, std::size_t bytes_each);
  bool Extension(std::uint8_t type, std::string_view name, std::string_view& body);

  Payload value_;
  Runtime* runtime_;
  const unsigned char* begin_;
  const unsigned char* next_;
  const unsigned char* end_;
  std::size_t depth_ = 0;
  std::size_t first_piece_ = 0;  // 0: none yet
  std::size_t pieces_end_ = 0;
  std::vector<std::shared_ptr<const std::string>> owners_;  // in order of first occurrence
  std::unique_ptr<Error> error_;
};

}  // namespace mobula::internal
