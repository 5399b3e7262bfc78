/// A tree of tasks, each waiting for its children, on one node: why the deeper task goes first.
#include <deque>
#include <vector>

#include "tests/components/scheduler/schedulers.h"

namespace mobula::scheduler::testing {
namespace {

enum class Order { kDeeperFirst, kFirstComeFirstServed };

/// Every task above the leaves starts `kFanOut` children, lends its CPU, and ends after them.
class Tree {
 public:
  static constexpr std::uint32_t kFanOut = 8;
  static constexpr std::uint32_t kLevels = 4;

  explicit Tree(Order order) : order_(order) {
    scheduler_ = MakeScheduler(Config({{"kind", "local"}}), FreeNode(NodeId(), {{"CPU", 4}}));
    Submit(0, 0);
  }

  /// Runs the whole tree. \return the most workers that were alive at once.
  std::size_t Run() {
    std::size_t workers_max = 0;
    while (ended_ < tasks_.size()) {
      for (const Action& action : scheduler_->Step()) Start(TicketOf(action));
      workers_max = std::max(workers_max, workers_);
      scheduler_->CheckInvariants();
      if (running_.empty()) continue;
      const std::size_t task = running_.front();
      running_.pop_front();
      End(task);
    }
    return workers_max;
  }
  [[nodiscard]] std::size_t tasks() const { return tasks_.size(); }

 private:
  struct Task {
    std::size_t parent = 0;
    std::uint32_t depth = 0;
    std::uint32_t children_left = 0;
  };

  void Submit(std::size_t parent, std::uint32_t depth) {
    LeaseRequest request = Request(tasks_.size(), Wants({{"CPU", 1}}));
    request.depth = order_ == Order::kDeeperFirst ? depth : 0;
    tasks_.push_back({.parent = parent, .depth = depth, .children_left = 0});
    EXPECT_TRUE(scheduler_->Submit(std::move(request)).has_value());
  }
  void Start(std::size_t task) {
    ++workers_;
    const std::uint32_t depth = tasks_[task].depth;
    if (depth + 1 == kLevels) return running_.push_back(task);
    tasks_[task].children_left = kFanOut;
    for (std::uint32_t i = 0; i < kFanOut; ++i) Submit(task, depth + 1);
    scheduler_->LendFromBlocked({{"CPU", 1}});  // it blocks in Get
  }
  void End(std::size_t task) {
    scheduler_->Return({{"CPU", 1}});
    --workers_;
    ++ended_;
    if (task == 0) return;
    const std::size_t parent = tasks_[task].parent;
    if (--tasks_[parent].children_left > 0) return;
    scheduler_->RestoreToUnblocked({{"CPU", 1}});
    running_.push_back(parent);
  }

  Order order_;
  std::unique_ptr<Scheduler> scheduler_;
  std::vector<Task> tasks_;
  std::deque<std::size_t> running_;
  std::size_t workers_ = 0;
  std::size_t ended_ = 0;
};

TEST(NestedTasksTest, DeeperFirstKeepsBlockedWorkersFew) {
  Tree tree(Order::kDeeperFirst);
  const std::size_t workers = tree.Run();
  EXPECT_EQ(tree.tasks(), 1U + 8 + 64 + 512);
  EXPECT_EQ(workers, 13U) << "a few blocked workers a level, and the four that run";
}

TEST(NestedTasksTest, FirstComeFirstServedBlocksEveryInnerTaskAtOnce) {
  Tree tree(Order::kFirstComeFirstServed);
  const std::size_t workers = tree.Run();
  EXPECT_EQ(tree.tasks(), 1U + 8 + 64 + 512);
  EXPECT_EQ(workers, 1U + 8 + 64 + 4);
}

}  // namespace
}  // namespace mobula::scheduler::testing
