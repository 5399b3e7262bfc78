// \edge: talks to people
//
// mobula new DIR: a project of a user's own that builds and runs at once.

#include <memory>

#include "cli/commands.h"
#include "components/base/real/file_system.h"

namespace mobula::cli {
namespace {

constexpr std::string_view kCMakeLists = R"(cmake_minimum_required(VERSION 3.25)
project(hello LANGUAGES CXX)

# Where Mobula was installed, if not in a standard place: -DCMAKE_PREFIX_PATH=/the/prefix
find_package(mobula CONFIG REQUIRED)

add_executable(hello main.cc)
target_link_libraries(hello mobula::mobula)
)";

constexpr std::string_view kMain = R"(// Everything that a Mobula program needs.
#include <mobula/mobula.h>

// For printing.
#include <iostream>
#include <vector>

// Any function can run on a worker. Arguments and results travel by value.
int Square(int x) { return x * x; }

int main(int argc, char** argv) try {
  // Joins the cluster at $MOBULA_ADDRESS, or starts one of its own on this machine.
  mobula::Init(argc, argv);
  // References to results that may not be there yet.
  std::vector<mobula::ObjectRef<int>> squares;
  // Each call returns at once; the tasks run in parallel, in other processes.
  for (int i = 0; i < 10; ++i) squares.push_back(mobula::Remote<Square>(i));
  // Get waits for each value.
  for (const auto& square : squares) std::cout << mobula::Get(square) << ' ';
  std::cout << '\n';
  // Leaves the cluster; the one that Init started ends.
  mobula::Shutdown();
} catch (const mobula::Exception& error) {
  // No cluster, a task that threw, a worker that died: each has a type, and what() is the story.
  std::cerr << "hello: " << error.what() << '\n';
  return 1;
}
)";

constexpr std::string_view kHeadYaml =
    R"(# One node on this machine. Run it with: node --config head.yaml
node:
  role: head
  address: 127.0.0.1
gcs: { port: 6379 }
object_store: { kind: shared_memory, capacity: 256MiB }
)";

constexpr std::string_view kReadme = R"(# hello

Build and run, on a small cluster of its own:

    cmake -S . -B build -DCMAKE_PREFIX_PATH=/where/mobula/is/installed
    cmake --build build
    ./build/hello

It prints `0 1 4 9 16 25 36 49 64 81`.

On a cluster that stays:

    mobula start --config head.yaml
    mobula run -- ./build/hello
    mobula stop

`head.yaml` says what that node is; `node --config head.yaml` runs it in the foreground.
)";

int MakeProject(const std::string& folder) {
  RealFileSystem files;
  if (Result<std::vector<std::string>> names = files.List(folder); names && !names->empty()) {
    return Complain({ErrorCode::kInvalidArgument,
                     fmt::format("{} is not empty; name a folder that is new", folder)});
  }
  if (Result<void> made = files.MakeFolder(folder); !made) return Complain(made.error());
  const std::pair<std::string_view, std::string_view> contents[] = {{"CMakeLists.txt", kCMakeLists},
                                                                    {"main.cc", kMain},
                                                                    {"head.yaml", kHeadYaml},
                                                                    {"README.md", kReadme}};
  for (const auto& [name, text] : contents) {
    Result<void> written =
        files.WriteAtomically(fmt::format("{}/{}", folder, name), text, FileMode::kReadable);
    if (!written) return Complain(written.error());
  }
  fmt::print(
      "made {}: CMakeLists.txt main.cc head.yaml README.md\nNext: cd {} && cmake -S . -B build"
      " && cmake --build build && ./build/hello\n",
      folder, folder);
  return 0;
}

}  // namespace

void AddNew(CLI::App& app, Action& action) {
  auto folder = std::make_shared<std::string>();  // owners: the parser's callback
  CLI::App* command = app.add_subcommand("new", "make a small project that uses Mobula");
  command->add_option("folder", *folder, "a new folder")->required();
  command->callback([=, &action] { action = [=] { return MakeProject(*folder); }; });
}

}  // namespace mobula::cli
