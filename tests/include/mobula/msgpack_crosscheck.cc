// The C++ half of the cross-check with Python's msgpack (msgpack_crosscheck.py).
//   write        prints "name hex" for each case
//   read FILE    reads such lines, written by Python, and compares them with the cases
#include <cstdio>
#include <fstream>
#include <functional>
#include <map>
#include <numbers>
#include <set>
#include <string>

#include "mobula/serialization.h"

namespace {

using mobula::internal::DecodeValue;
using mobula::internal::EncodeValue;

struct Point {
  int x = 0;
  double y = 0;
  std::string name;
  friend bool operator==(const Point&, const Point&) = default;
};

struct Case {
  std::string bytes;
  std::function<bool(std::string)> matches;
};

std::map<std::string, Case> g_cases;

template <typename T>
void Add(const std::string& name, T value) {
  Case one;
  one.bytes = EncodeValue(value)->document;
  one.matches = [value = std::move(value)](std::string bytes) {
    const auto read = DecodeValue<T>(mobula::Payload::FromString(std::move(bytes)), nullptr);
    if (!read) std::fprintf(stderr, "%s\n", read.error().ToString().c_str());
    return read && *read == value;
  };
  g_cases.insert_or_assign(name, std::move(one));
}

void AddCases() {
  const std::int64_t edges[] = {
      0,  1,   127, 128,  255,  256,    65535,  65536,       4294967295,  4294967296, INT64_MAX,
      -1, -32, -33, -128, -129, -32768, -32769, -2147483648, -2147483649, INT64_MIN};
  for (const std::int64_t edge : edges) Add("int:" + std::to_string(edge), edge);
  Add("int:18446744073709551615", UINT64_MAX);
  Add("floats", std::vector<double>{0, -1.5, std::numbers::pi, 1e308, 5e-324});
  Add("bools", std::vector<bool>{true, false});
  Add("nil", std::optional<int>());
  for (const std::size_t size : {0, 31, 32, 255, 256, 65535, 65536}) {
    Add("str:" + std::to_string(size), std::string(size, 's'));
    Add("bin:" + std::to_string(size), std::vector<unsigned char>(size, 'b'));
    Add("list:" + std::to_string(size), std::vector<int>(size, 7));
  }
  Add("utf8", std::string("Mobula \xc3\xa4\xe2\x82\xac"));
  std::map<int, std::string> small;
  for (int i = 0; i < 15; ++i) small[i] = "v";
  Add("map:15", small);
  small[15] = "v";
  Add("map:16", small);
  std::map<int, std::string> large;
  for (int i = 0; i < 70'000; ++i) large[i] = "v";
  Add("map:70000", large);
  Add("point", Point{-3, 0.5, "p"});
  Add("points", std::vector<Point>{{1, 2, "a"}, {}});
  Add("variant", std::variant<int, std::string>("second"));
  Add("tuple", std::tuple<int, std::string, std::vector<double>>(1, "two", {3.0}));
  Add("nested", std::map<std::string, std::vector<std::optional<std::int16_t>>>{
                    {"a", {1, {}, -300}}, {"b", {}}});
  Add("buffer", mobula::Buffer("small"));
}

}  // namespace

int main(int argc, char** argv) {
  AddCases();
  if (argc == 2 && std::string_view(argv[1]) == "write") {
    for (const auto& [name, one] : g_cases) {
      std::printf("%s %s\n", name.c_str(), mobula::ToHex(one.bytes).c_str());
    }
    return 0;
  }
  if (argc != 3) return 2;
  std::ifstream file(argv[2]);
  std::string name;
  std::string hex;
  std::size_t seen = 0;
  while (file >> name >> hex) {
    const auto found = g_cases.find(name);
    if (found == g_cases.end() || !found->second.matches(*mobula::FromHex(hex))) {
      std::fprintf(stderr, "case %s: the bytes from Python differ\n", name.c_str());
      return 1;
    }
    ++seen;
  }
  return seen == g_cases.size() ? 0 : 1;
}
