// The compared workloads on Mobula. Read it beside ray_program.cc: line by line the same.
//
// usage: mobula_compare ROW:COUNT...   One JSON object a line: {"row": "started"} when the first
// task has answered; after a line of input one for each row; then {"row": "done"}.

#include <mobula/mobula.h>

#include <chrono>
#include <cstdio>
#include <functional>
#include <iostream>
#include <map>
#include <string>
#include <vector>

namespace {

using Ints = std::vector<mobula::ObjectRef<int>>;
using Buffers = std::vector<mobula::ObjectRef<mobula::Buffer>>;
constexpr std::size_t kLarge = 100'000'000;
constexpr std::size_t kMedium = 80'000;

int Nothing() { return 0; }

Ints SubmitNothing(int count) {
  Ints refs;
  for (int i = 0; i < count; ++i) refs.push_back(mobula::Remote<Nothing>());
  return refs;
}

int SubmitAndGet(int count) {
  (void)mobula::Get(SubmitNothing(count));
  return count;
}

Ints PutOnes(int count) {
  Ints refs;
  for (int i = 0; i < count; ++i) refs.push_back(mobula::Put(1));
  return refs;
}

Buffers PutBuffers(int count) {
  const mobula::Buffer buffer(std::string(kMedium, 'x'));
  Buffers refs;
  for (int i = 0; i < count; ++i) refs.push_back(mobula::Put(buffer));
  return refs;
}

int ReadAll(const Buffers& refs) { return static_cast<int>(mobula::Get(refs).size()); }

/// Seconds that `work` takes.
double Timed(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

void TaskSync(int count) {
  for (int i = 0; i < count; ++i) mobula::Get(mobula::Remote<Nothing>());
}

void TaskAsync(int count) {
  for (int done = 0; done < count; done += 1000) (void)mobula::Get(SubmitNothing(1000));
}

void NestedTasks(int count) {
  const auto client = mobula::Remote<SubmitAndGet>.With({.num_cpus = 0});
  Ints clients;
  for (int i = 0; i < 4; ++i) clients.push_back(client(count / 4));
  (void)mobula::Get(clients);
}

void WaitOneByOne(int count) {
  Ints pending = SubmitNothing(count);
  while (!pending.empty()) pending = mobula::Wait(std::move(pending)).pending;
}

/// What is prepared is not timed. \return seconds.
double GetSmall(int count) {
  const Ints refs = PutOnes(count);
  return Timed([&] {
    for (const auto& ref : refs) (void)mobula::Get(ref);
  });
}

double PutLarge(int count) {
  const mobula::Buffer buffer(std::string(kLarge, 'x'));
  (void)mobula::Put(buffer);  // its pages are there now
  double seconds = 0;
  for (int i = 0; i < count; ++i) {
    seconds += Timed([&] { (void)mobula::Put(buffer); });
  }
  return seconds;
}

double GetLarge(int count) {
  const auto ref = mobula::Put(mobula::Buffer(std::string(kLarge, 'x')));
  return Timed([&] {
    for (int i = 0; i < count; ++i) (void)mobula::Get(ref);
  });
}

double GetRefs(int count) {
  const auto refs = mobula::Remote<PutOnes>(count);
  (void)mobula::Get(refs);
  return Timed([&] { (void)mobula::Get(refs); });
}

double GetObjects(int count) {
  const Buffers refs = PutBuffers(count);
  return Timed([&] { (void)mobula::Get(refs); });
}

void Results(int count) { (void)ReadAll(mobula::Get(mobula::Remote<PutBuffers>(count))); }
void Arguments(int count) { (void)mobula::Get(mobula::Remote<ReadAll>(PutBuffers(count))); }

/// \return seconds of the workload `row`.
double Run(const std::string& row, int count) {
  static const std::map<std::string, void (*)(int)> kTimed = {
      {"task_sync", TaskSync},
      {"task_async", TaskAsync},
      {"nested_tasks", NestedTasks},
      {"wait", WaitOneByOne},
      {"args", Arguments},
      {"returns", Results},
      {"put_small", [](int n) { (void)PutOnes(n); }},
      {"queued", [](int n) { (void)mobula::Get(SubmitNothing(n)); }}};
  static const std::map<std::string, double (*)(int)> kPrepared = {{"get_small", GetSmall},
                                                                   {"put_large", PutLarge},
                                                                   {"get_large", GetLarge},
                                                                   {"get_refs", GetRefs},
                                                                   {"get_objects", GetObjects}};
  if (const auto found = kTimed.find(row); found != kTimed.end()) {
    return Timed([&] { found->second(count); });
  }
  return kPrepared.at(row)(count);
}

}  // namespace

int main(int argc, char** argv) {
  mobula::Init(
      argc, argv,
      {.mode = mobula::Mode::kLocal, .object_store_bytes = 1ULL << 30, .log_level = "error"});
  (void)mobula::Get(mobula::Remote<Nothing>());
  std::puts("{\"row\": \"started\"}");
  std::fflush(stdout);
  std::string line;
  std::getline(std::cin, line);  // what it costs while idle is measured now
  SubmitAndGet(100);             // warm
  for (int i = 1; i < argc; ++i) {
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
  mobula::Shutdown();
  return 0;
}
