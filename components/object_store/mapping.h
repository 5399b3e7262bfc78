/// \file
/// \brief A shared mapping that knows which of its pages this process has touched.
///
/// A page fault costs 10 µs and more on a virtual machine; the kernel does the same work in bulk a
/// hundred times faster. So a range is populated before it is used. One bit for each page remembers
/// what is done already; a warm range costs no system call.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "components/base/result.h"

namespace mobula::object_store {

enum class MapAccess : std::uint8_t { kRead, kReadWrite };

/// The whole of one memfd, mapped until destroyed.
/// Threads: the state lock; the bytes themselves as their users agree.
class Mapping {
 public:
  /// kInternal with the system's text. The descriptor may be closed afterwards.
  [[nodiscard]] static Result<std::shared_ptr<Mapping>> Make(int fd, std::uint64_t size_bytes,
                                                             MapAccess access);
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  [[nodiscard]] std::span<std::byte> bytes() const { return bytes_; }
  /// Makes at most `bytes_max` of the range ready to use, from its start on.
  /// \return where it stopped; `end` when all is ready. Failing to populate is not an error: the
  ///         pages then fault in one by one. Cost: none when warm, else a system call per run.
  std::uint64_t Populate(std::uint64_t begin, std::uint64_t end, std::uint64_t bytes_max);

 private:
  Mapping(std::span<std::byte> bytes, MapAccess access);

  const std::span<std::byte> bytes_;
  const MapAccess access_;
  std::vector<bool> ready_;  // by page
};

}  // namespace mobula::object_store
