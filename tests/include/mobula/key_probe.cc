// Shows that a key made by one process finds its function in another one of the same program, at
// another load address. Without arguments: prints the keys, starts itself with them, as a driver
// starts a worker. With MODULE OFFSET NAME RESULT: calls that function on 3.
#include <spawn.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/include/mobula/fake_runtime.h"
#include "tests/include/mobula/key_probe_library.h"

namespace {

using mobula::internal::FunctionKey;

int Triple(int x) { return 3 * x; }

const FunctionKey& TripleKey() { return mobula::internal::Recorded<Triple>::entry.key(); }

int Call(const FunctionKey& key, int expected) {
  mobula::testing::FakeRuntime runtime;
  std::vector<mobula::internal::Argument> arguments(1);
  arguments[0].value = *mobula::internal::EncodeValue(3);
  auto refs = runtime.Submit(key, std::move(arguments), 1, {});
  const auto bytes = runtime.Get(*refs, {});
  if (!bytes) {
    std::fprintf(stderr, "%s\n", bytes.error().ToString().c_str());
    return 1;
  }
  return *mobula::internal::DecodeValue<int>(bytes->front(), nullptr) == expected ? 0 : 1;
}

int CallElsewhere(const FunctionKey& key, int expected) {
  std::string text[] = {"key_probe", "m:" + key.module, std::to_string(key.offset), key.name,
                        std::to_string(expected)};
  char* arguments[] = {text[0].data(), text[1].data(), text[2].data(),
                       text[3].data(), text[4].data(), nullptr};
  pid_t child = 0;
  if (posix_spawn(&child, "/proc/self/exe", nullptr, nullptr, arguments, environ) != 0) return 1;
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 5) {
    return Call({std::string(argv[1]).substr(2), std::strtoull(argv[2], nullptr, 10), argv[3]},
                std::atoi(argv[4]));
  }
  const FunctionKey& library = mobula::testing::LibraryKey();
  if (!TripleKey().module.empty() || library.module != "libkey_probe_library.so") return 3;
  if (CallElsewhere(TripleKey(), 9) != 0) return 4;
  if (CallElsewhere(library, 10) != 0) return 5;
  FunctionKey unknown = TripleKey();
  unknown.offset += 1;
  return CallElsewhere(unknown, 9) == 1 ? 0 : 6;
}
