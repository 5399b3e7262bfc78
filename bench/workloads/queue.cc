// What waits, and what is remembered: a million tasks on a busy node, bytes a task and a reference.

#include <fcntl.h>
#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>

#include "bench/processes.h"
#include "bench/workloads/workloads.h"

namespace bench {
namespace {

/// Opens a pipe of the file system, waiting for the other side, and closes it again.
void Meet(const std::string& pipe, int mode) {
  const int fd = ::open(pipe.c_str(), mode | O_CLOEXEC);
  if (fd >= 0) ::close(fd);
}

/// A task that says that it runs, and does until it is told to end.
int Hold(const std::string& begun, const std::string& over) {
  Meet(begun, O_WRONLY);
  Meet(over, O_RDONLY);
  return 0;
}

/// Tasks that occupy every CPU of the local cluster.
class BusyNode {
 public:
  BusyNode() {
    char folder[] = "/tmp/mobula-bench-XXXXXX";
    if (::mkdtemp(folder) == nullptr) throw std::runtime_error("cannot make a folder in /tmp");
    folder_ = folder;
    for (int i = 0; i < LocalCluster::Cores(); ++i) {
      const Pipes pipes = {folder_ + "/begun" + std::to_string(i),
                           folder_ + "/over" + std::to_string(i)};
      if (::mkfifo(pipes.begun.c_str(), 0600) != 0 || ::mkfifo(pipes.over.c_str(), 0600) != 0) {
        throw std::runtime_error("cannot make a pipe in " + folder_);
      }
      holding_.push_back(mobula::Remote<Hold>(pipes.begun, pipes.over));
      pipes_.push_back(pipes);
    }
    // Every CPU is taken when all of these have begun. What is submitted from here on waits.
    for (const Pipes& one : pipes_) Meet(one.begun, O_RDONLY);
  }
  void Release() {
    for (const Pipes& one : pipes_) {
      // Opening the pipe lets the task go on, which waits for this side.
      Meet(one.over, O_WRONLY);
      ::unlink(one.begun.c_str());
      ::unlink(one.over.c_str());
    }
    pipes_.clear();
    ::rmdir(folder_.c_str());
  }

 private:
  struct Pipes {
    std::string begun, over;
  };
  std::string folder_;
  std::vector<Pipes> pipes_;
  std::vector<mobula::ObjectRef<int>> holding_;
};

/// Bytes that this process has allocated and not freed.
double HeapBytes() {
  const struct mallinfo2 info = ::mallinfo2();
  return static_cast<double>(info.uordblks + info.hblkhd);
}

/// Bytes of the heap that `make` leaves behind for each of `count`, their places in a vector too.
template <typename Make>
double BytesEach(int count, Make&& make) {
  for (int i = 0; i < 3; ++i) (void)mobula::Get(SubmitNothing(1));  // what was dropped is freed now
  const double before = HeapBytes();
  std::vector<mobula::ObjectRef<int>> held;
  held.reserve(static_cast<std::size_t>(count));
  make(held);
  return (HeapBytes() - before) / count;
}

}  // namespace

std::vector<Row> QueuedTasks(const Settings& settings, const Floors& floors) {
  const int count = settings.quick ? 20'000 : 1'000'000;
  std::vector<double> times;
  std::vector<double> memory;
  for (int round = 0; round < settings.rounds(); ++round) {
    const LocalCluster cluster;
    (void)mobula::Get(SubmitNothing(100));
    BusyNode busy;
    ::malloc_trim(0);  // what earlier rounds have used and freed
    const double before = AnonymousMb(FamilyOf({::getpid()}));
    std::vector<mobula::ObjectRef<int>> refs;
    const double submit = Timed([&] { refs = SubmitNothing(count); });
    memory.push_back(AnonymousMb(FamilyOf({::getpid()})) - before);
    const double drain = Timed([&] {
      busy.Release();
      (void)mobula::Get(refs);
    });
    times.push_back(submit + drain);
  }
  return {Cost("queued_1m", "s", times,
               {count / floors.at("ring_tasks_per_s"), "as many through a bare ring"}),
          Cost("queued_1m_memory", "MB", memory, {count * 64.0 / 1e6, "64 bytes a task"})};
}

std::vector<Row> BookKeeping(const Settings& settings, const Floors&) {
  const LocalCluster cluster;
  const int count = settings.Size(100'000);
  (void)mobula::Get(SubmitNothing(1'000));
  const auto tasks = [&](std::vector<mobula::ObjectRef<int>>& held) {
    for (int i = 0; i < count; ++i) held.push_back(mobula::Remote<Nothing>());
    (void)mobula::Get(held);  // done, and remembered: their values, and how to make them again
  };
  const auto refs = [&](std::vector<mobula::ObjectRef<int>>& held) {
    for (int i = 0; i < count; ++i) held.push_back(mobula::Put(i));
  };
  return {Cost("memory_per_task", "B", Repeat(settings, [&] { return BytesEach(count, tasks); }),
               {64, "one cache line"}),
          Cost("memory_per_ref", "B", Repeat(settings, [&] { return BytesEach(count, refs); }),
               {64, "one cache line"})};
}

}  // namespace bench
