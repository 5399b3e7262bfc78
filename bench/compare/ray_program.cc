// The compared workloads on Ray's C++ API. Read it beside mobula_program.cc: line by line the same,
// but for what that API cannot do: references inside values, so no get_refs, args and returns.
// Built by setup.sh, twice: as the program, and as the library that Ray's workers load.

#include <ray/api.h>

#include <chrono>
#include <cstdio>
#include <functional>
#include <iostream>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace {

using Ints = std::vector<ray::ObjectRef<int>>;
using Buffers = std::vector<ray::ObjectRef<std::string>>;
constexpr std::size_t kLarge = 100'000'000;
constexpr std::size_t kMedium = 80'000;

}  // namespace

int Nothing() { return 0; }
int SubmitAndGet(int count);
RAY_REMOTE(Nothing, SubmitAndGet);  // NOLINT: Ray's macro

namespace {

/// Keeps `ref` by copy. Its move lets go before it takes hold: the object is freed in between, and
/// a `Get` of it waits for ever (Ray 2.60).
template <typename T>
void Keep(std::vector<ray::ObjectRef<T>>& refs, const ray::ObjectRef<T>& ref) {
  refs.push_back(ref);
}

Ints SubmitNothing(int count) {
  Ints refs;
  for (int i = 0; i < count; ++i) Keep(refs, ray::Task(Nothing).Remote());
  return refs;
}

Ints PutOnes(int count) {
  Ints refs;
  for (int i = 0; i < count; ++i) Keep(refs, ray::Put(1));
  return refs;
}

Buffers PutBuffers(int count) {
  const std::string buffer(kMedium, 'x');
  Buffers refs;
  for (int i = 0; i < count; ++i) Keep(refs, ray::Put(buffer));
  return refs;
}

/// Seconds that `work` takes.
double Timed(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

void TaskSync(int count) {
  for (int i = 0; i < count; ++i) ray::Get(ray::Task(Nothing).Remote());
}

void TaskAsync(int count) {
  for (int done = 0; done < count; done += 1000) ray::Get(SubmitNothing(1000));
}

void NestedTasks(int count) {
  Ints clients;
  for (int i = 0; i < 4; ++i) {
    // Ray refuses 0; what waits gives its share back.
    Keep(clients, ray::Task(SubmitAndGet).SetResource("CPU", 0.001).Remote(count / 4));
  }
  ray::Get(clients);
}

void WaitOneByOne(int count) {
  Ints pending = SubmitNothing(count);
  while (!pending.empty()) {
    const auto result = ray::Wait(pending, 1, -1);
    pending.assign(result.unready.begin(), result.unready.end());
  }
}

/// What is prepared is not timed. \return seconds.
double GetSmall(int count) {
  const Ints refs = PutOnes(count);
  return Timed([&] {
    for (const auto& ref : refs) ray::Get(ref);
  });
}

double PutLarge(int count) {
  const std::string buffer(kLarge, 'x');
  ray::Put(buffer);  // its pages are there now
  double seconds = 0;
  for (int i = 0; i < count; ++i) {
    seconds += Timed([&] { ray::Put(buffer); });
  }
  return seconds;
}

double GetLarge(int count) {
  const auto ref = ray::Put(std::string(kLarge, 'x'));
  return Timed([&] {
    for (int i = 0; i < count; ++i) ray::Get(ref);
  });
}

double GetObjects(int count) {
  const Buffers refs = PutBuffers(count);
  return Timed([&] { ray::Get(refs); });
}

/// \return seconds of the workload `row`.
double Run(const std::string& row, int count) {
  static const std::map<std::string, void (*)(int)> kTimed = {
      {"task_sync", TaskSync},
      {"task_async", TaskAsync},
      {"nested_tasks", NestedTasks},
      {"wait", WaitOneByOne},
      {"put_small", [](int n) { PutOnes(n); }},
      {"queued", [](int n) { ray::Get(SubmitNothing(n)); }}};
  static const std::map<std::string, double (*)(int)> kPrepared = {{"get_small", GetSmall},
                                                                   {"put_large", PutLarge},
                                                                   {"get_large", GetLarge},
                                                                   {"get_objects", GetObjects}};
  if (const auto found = kTimed.find(row); found != kTimed.end()) {
    return Timed([&] { found->second(count); });
  }
  return kPrepared.at(row)(count);
}

}  // namespace

int SubmitAndGet(int count) {
  ray::Get(SubmitNothing(count));
  return count;
}

/// usage: ray_program LIBRARY ROW:COUNT...
int main(int argc, char** argv) {
  ray::RayConfig config;
  config.code_search_path = {argv[1]};
  config.head_args = {"--num-cpus", std::to_string(std::thread::hardware_concurrency())};
  ray::Init(config);
  ray::Get(ray::Task(Nothing).Remote());
  std::puts("{\"row\": \"started\"}");
  std::fflush(stdout);
  std::string line;
  std::getline(std::cin, line);  // what it costs while idle is measured now
  SubmitAndGet(100);             // warm
  for (int i = 2; i < argc; ++i) {
    const std::string word = argv[i];
    const auto colon = word.find(':');
    const std::string row = word.substr(0, colon);
    const int count = std::stoi(word.substr(colon + 1));
    std::printf("{\"row\": \"%s\", \"count\": %d, \"seconds\": %.9f}\n", row.c_str(), count,
                Run(row, count));
    std::fflush(stdout);
  }
  std::puts("{\"row\": \"done\"}");
  std::fflush(stdout);
  ray::Shutdown();
  return 0;
}
