// Entry for libFuzzer: any bytes, read as a type that has every shape. Built with clang only.
#include <map>
#include <set>

#include "mobula/object_ref.h"
#include "mobula/serialization.h"
#include "tests/include/mobula/fake_runtime.h"

namespace {

struct Node {
  std::int32_t value = 0;
  std::string name;
  std::vector<Node> children;
  std::unique_ptr<std::optional<double>> weight;
};
using Everything =
    std::variant<std::int64_t, std::string, Node, std::vector<mobula::Buffer>,
                 std::map<std::string, std::vector<std::uint16_t>>, std::set<std::int8_t>,
                 std::vector<mobula::ObjectRef<int>>, mobula::Array<double>, std::vector<bool>,
                 std::tuple<float, std::array<std::byte, 3>, std::chrono::seconds>>;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using mobula::internal::DecodeValue;
  using mobula::internal::EncodeValue;
  static mobula::testing::FakeRuntime runtime;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto value = DecodeValue<Everything>(mobula::Payload::FromString(text), &runtime);
  if (!value) return 0;
  const auto again = EncodeValue(*value);  // what was accepted can be written and read again
  if (!again || !DecodeValue<Everything>(mobula::testing::FakeRuntime::Flatten(*again), &runtime)) {
    __builtin_trap();
  }
  return 0;
}
