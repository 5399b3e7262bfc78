// Tasks that do what tasks should not, and a driver that says what it learns of it, line by line.
// The first word names what to do; the tests beside it read the output.

#include <fcntl.h>
#include <mobula/mobula.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <tuple>

namespace {

using mobula::Get;
using mobula::ObjectRef;
using mobula::Remote;
using Bytes = mobula::Array<char>;

int Square(int x) { return x * x; }

// What tasks do.

int ThrowRuntimeError() { throw std::runtime_error("the disk is on fire"); }
int ThrowNumber() { throw 42; }

int Segfault() {
  std::fprintf(stderr, "last words before the fault\n");
  std::raise(SIGSEGV);
  return 0;
}

int ExitThree() {
  std::fprintf(stderr, "last words before exit\n");
  std::exit(3);
}

int Abort() {
  std::fprintf(stderr, "last words before abort\n");
  std::abort();
}

/// Memory that is promised but never touched: who copies it shows up in the memory of its process.
Bytes Huge(std::uint64_t bytes) { return Bytes::Make(bytes).Share(); }

/// The same as text, which is written out and not beside: who writes it shows up as well.
std::string HugeText(std::uint64_t bytes) {
  std::string text;
  text.resize_and_overwrite(bytes, [bytes](char*, std::size_t) { return bytes; });
  return text;
}

std::uint64_t SizeOf(const Bytes& bytes) { return bytes.size(); }

/// Writes where it may only read.
int Scribble(const Bytes& bytes) {
  *const_cast<volatile char*>(bytes.data()) = 'y';
  return 0;
}

/// Blocks until somebody writes to the pipe at `path`; a retry after that returns at once.
int WaitForPipe(const std::string& path) {
  std::printf("waiting\n");
  std::fflush(stdout);
  const int fd = ::open(path.c_str(), O_RDONLY);
  char byte = 0;
  const auto size = ::read(fd, &byte, 1);
  ::close(fd);
  return static_cast<int>(size);
}

/// Dies the first time, works the second.
int DieOnce() {
  if (mobula::GetRuntimeContext().attempt == 0) std::raise(SIGKILL);
  return mobula::GetRuntimeContext().attempt;
}

/// Waits for a task of its own, which needs a second worker.
int SquareElsewhere(int x) { return Get(Remote<Square>(x)); }

struct Owned {
  ObjectRef<Bytes> stored;
  ObjectRef<int> small;
  int pid = 0;
};

/// The worker owns what it hands out.
Owned MakeOwned() {
  return {mobula::Put(Bytes(std::vector<char>(1 << 20, 'x'))), Remote<Square>(5), ::getpid()};
}

std::string WhereAmI() {
  const std::string path = std::filesystem::read_symlink("/proc/self/exe");
  return mobula::GetRuntimeContext().node_id.Hex() + " " + path;
}

// What drivers do.

void Say(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

/// Runs `action`; says what it threw. \return whether it threw.
void Report(const std::function<void()>& action) {
  try {
    action();
    Say("no error");
  } catch (const mobula::TaskError& error) {
    Say("TaskError " + std::string(error.what()));
    Say("type=" + error.type_name() + " message=" + error.message() + " node=" + error.node_id() +
        " pid=" + std::to_string(error.pid()));
  } catch (const mobula::WorkerDiedError& error) {
    Say("WorkerDiedError " + std::string(error.what()));
  } catch (const mobula::NodeDiedError& error) {
    Say("NodeDiedError " + std::string(error.what()));
  } catch (const mobula::OwnerDiedError& error) {
    Say("OwnerDiedError " + std::string(error.what()));
  } catch (const mobula::StoreFullError& error) {
    Say("StoreFullError " + std::string(error.what()));
  } catch (const mobula::LimitExceededError& error) {
    Say("LimitExceededError " + std::string(error.what()));
  } catch (const mobula::InfeasibleError& error) {
    Say("InfeasibleError " + std::string(error.what()));
  } catch (const mobula::GetTimeoutError& error) {
    Say("GetTimeoutError " + std::string(error.what()));
  } catch (const mobula::VersionMismatchError& error) {
    Say("VersionMismatchError " + std::string(error.what()));
  } catch (const mobula::PermissionDeniedError& error) {
    Say("PermissionDeniedError " + std::string(error.what()));
  } catch (const mobula::Exception& error) {
    Say("Exception " + std::string(error.what()));
  }
}

void Replaced(const std::vector<std::string>&) {
  Report([] { Get(Remote<Square>(1)); });
}

void CheckThatAllIsWell() { Say("square " + std::to_string(Get(Remote<Square>(7)))); }

/// `Remote<F>` with a number of retries, whatever F.
template <auto F>
int Run(int retries) {
  return Get(Remote<F>.With({.max_retries = retries})());
}
int RunNamed(int retries) {
  return Get(Remote<ThrowNumber>.With({.max_retries = retries, .name = "a name of its own"})());
}

void Fail(const std::vector<std::string>& words) {
  const std::map<std::string, int (*)(int)> tasks = {{"runtime_error", Run<ThrowRuntimeError>},
                                                     {"number", RunNamed},
                                                     {"segfault", Run<Segfault>},
                                                     {"exit", Run<ExitThree>},
                                                     {"abort", Run<Abort>},
                                                     {"die_once", Run<DieOnce>}};
  Report([&] { Say("value " + std::to_string(tasks.at(words.at(0))(std::stoi(words.at(1))))); });
  CheckThatAllIsWell();
}

void Infeasible(const std::vector<std::string>& words) {
  const double cpus = std::stod(words.at(0));
  Report([&] { Get(Remote<Square>.With({.num_cpus = cpus})(1)); });
  CheckThatAllIsWell();
}

void TooLarge(const std::vector<std::string>& words) {
  const std::uint64_t bytes = std::stoull(words.at(0));
  Report([&] { (void)Get(Remote<Huge>(bytes)); });
  Report([&] { (void)mobula::Put(Huge(bytes)); });
  Report([&] { (void)Get(Remote<HugeText>(bytes)); });
  Report([&] { (void)mobula::Put(HugeText(bytes)); });
  Report([&] { (void)Remote<SizeOf>(Huge(bytes)); });
  CheckThatAllIsWell();
  (void)WaitForPipe(words.at(1));
}

void TooManyWorkers(const std::vector<std::string>&) {
  Report([] { (void)Get(Remote<SquareElsewhere>(7)); });
  CheckThatAllIsWell();
}

void ScribbleOnAnObject(const std::vector<std::string>&) {
  const auto object = mobula::Put(Bytes(std::vector<char>(1 << 20, 'x')));
  Report([&] { Get(Remote<Scribble>.With({.max_retries = 0})(object)); });
  const Bytes bytes = Get(object);
  Say(std::ranges::count(bytes, 'x') == 1 << 20 ? "unchanged" : "spoilt");
  CheckThatAllIsWell();
}

void Timeout(const std::vector<std::string>& words) {
  const ObjectRef<int> ref = Remote<WaitForPipe>(words.at(0));
  Report([&] { Get(ref, std::chrono::milliseconds(200)); });
  const int fd = ::open(words.at(0).c_str(), O_WRONLY);
  std::ignore = ::write(fd, "x", 1);
  ::close(fd);
  Say("value " + std::to_string(Get(ref)));
}

void Owner(const std::vector<std::string>&) {
  const Owned owned = Get(Remote<MakeOwned>());
  Say("stored " + std::to_string(Get(owned.stored).size()));
  ::kill(owned.pid, SIGKILL);
  // What has not been fetched since: through a task, and by a new reading of the small one.
  Report([&] { Get(Remote<Square>(owned.small)); });
  Report([&] { Say("size " + std::to_string(Get(Remote<SizeOf>(owned.stored)))); });
  CheckThatAllIsWell();
}

/// Holds objects and running tasks until somebody ends it.
void Hold(const std::vector<std::string>& words) {
  const auto large = mobula::Put(Bytes(std::vector<char>(32 << 20, 'x')));
  const auto result = Remote<Huge>(std::uint64_t{4} << 20);
  (void)mobula::Wait(std::vector{result}, 1);
  Say("size " + std::to_string(Get(Remote<SizeOf>(large))));
  std::vector<ObjectRef<int>> blocked;
  for (int i = 0; i < 2; ++i) blocked.push_back(Remote<WaitForPipe>(words.at(0)));
  Say("holding " + std::to_string(::getpid()));
  Report([&] { (void)Get(blocked); });
}

/// One task for each node that is named; says where it ran.
void Places(const std::vector<std::string>& nodes) {
  for (const std::string& node : nodes) {
    const mobula::RemoteOptions there{.scheduling = mobula::NodeAffinity{.node_id_hex = node}};
    Report([&] { Say("ran on " + Get(Remote<WhereAmI>.With(there)())); });
  }
}

/// Twice a task that waits at a pipe, at first on the node that is named.
void Survive(const std::vector<std::string>& words) {
  const mobula::RemoteOptions there{
      .scheduling = mobula::NodeAffinity{.node_id_hex = words.at(1), .soft = true}};
  Report(
      [&] { Say("value " + std::to_string(Get(Remote<WaitForPipe>.With(there)(words.at(0))))); });
  const ObjectRef<int> again = Remote<WaitForPipe>.With(there)(words.at(0));
  Say("again");
  Report([&] { Say("value " + std::to_string(Get(again))); });
  CheckThatAllIsWell();
}

/// Ends as told, with a cluster to leave.
void End(const std::vector<std::string>& words) {
  const std::map<std::string, void (*)()> ways = {{"shutdown",
                                                   [] {
                                                     mobula::Shutdown();
                                                     std::exit(4);
                                                   }},
                                                  {"return", [] { std::exit(0); }},
                                                  {"exit", [] { std::exit(3); }},
                                                  {"throw", [] { throw 42; }},
                                                  {"kill", [] { std::raise(SIGKILL); }}};
  CheckThatAllIsWell();
  ways.at(words.at(0))();
}

int Drive(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const std::map<std::string, void (*)(const std::vector<std::string>&)> actions = {
      {"fail", Fail},
      {"infeasible", Infeasible},
      {"too_large", TooLarge},
      {"too_many_workers", TooManyWorkers},
      {"timeout", Timeout},
      {"owner", Owner},
      {"hold", Hold},
      {"end", End},
      {"places", Places},
      {"survive", Survive},
      {"scribble", ScribbleOnAnObject},
      {"replaced", Replaced},
      {"square", [](const auto&) { CheckThatAllIsWell(); }}};
  if (words.at(0) == "replaced" && std::rename(words.at(1).c_str(), argv[0]) == 0) {
    Say("another file stands at " + std::string(argv[0]));
  }
  try {
    mobula::Init(argc, argv);
  } catch (const mobula::Exception& error) {
    std::printf("Init: %s\n", error.what());
    return 1;
  }
  actions.at(words.at(0))({words.begin() + 1, words.end()});
  mobula::Shutdown();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Drive(argc, argv);
  } catch (const std::logic_error&) {  // of at() and stoi()
    std::fprintf(stderr,
                 "usage: behaviours ACTION ARGUMENTS: an action of the map in behaviours.cc, with"
                 " the words that it reads\n");
    return 2;
  }
}
