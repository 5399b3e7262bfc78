/// \file
/// \brief A cluster of core workers in one thread on virtual time, with raylets that do as told.
///
/// Everything but the raylets is the real thing: drivers and workers are `CoreWorker`s that talk
/// over in-process connections. Tasks are small programs by name, written in continuations. A dead
/// process is destroyed, so anything that outlives it and should not shows under the sanitizer.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "components/base/simulated/event_loop.h"
#include "components/core_worker/assembly/core_worker_assembly.h"
#include "components/protocol/raylet.pb.h"
#include "components/transport/inprocess/inprocess_transport.h"

namespace mobula::core_worker::sim {

using internal::ReferencePtr;
using std::chrono::milliseconds;
using std::chrono::seconds;

class Cluster;
class Node;
class Process;

/// An argument: text, or a reference.
using Value = std::variant<std::string, ReferencePtr>;
internal::SerializedValue Serialize(std::string text, std::vector<ReferencePtr> references = {});
/// \return text that stands for a reference inside a value, for `TaskRun::Borrow`.
std::string Mention(const ReferencePtr& reference);

struct Options {
  double cpus = 1;
  std::int32_t max_retries = 3;
  bool retry_exceptions = false;
  std::uint32_t result_count = 1;
};

/// One run of a program. Shared by its continuations.
class TaskRun : public std::enable_shared_from_this<TaskRun> {
 public:
  using Next = std::function<void(Result<std::string>)>;
  TaskRun(Process& process, TaskHandle handle, TaskCall call)
      : process_(process), handle_(handle), call_(std::move(call)) {}
  [[nodiscard]] std::string Argument(std::size_t i) const {
    return std::string(call_.arguments.at(i).text());
  }
  [[nodiscard]] std::uint32_t attempt() const { return call_.attempt; }
  [[nodiscard]] TaskHandle handle() const { return handle_; }
  [[nodiscard]] Process& process() { return process_; }
  void Return(std::string text, std::vector<ReferencePtr> references = {});
  void ReturnAll(std::vector<std::string> texts);
  void Throw(std::string message);
  void After(Duration time, std::function<void()> next);
  ReferencePtr Submit(const std::string& program, std::vector<Value> arguments,
                      const Options& options = {});
  ReferencePtr Put(internal::SerializedValue value);
  ReferencePtr Borrow(const std::string& mention);
  /// Blocked meanwhile, as a user's thread would be.
  void Get(const ReferencePtr& reference, Next next);

 private:
  Process& process_;
  TaskHandle handle_;
  TaskCall call_;
};
using TaskRunPtr = std::shared_ptr<TaskRun>;
using TestProgram = std::function<void(const TaskRunPtr&)>;

/// A driver or worker.
class Process final : public TaskExecutor {
 public:
  Process(Cluster& cluster, Node& node, bool is_driver);
  ~Process() override;
  [[nodiscard]] std::size_t lane_count() const override;
  void Run(TaskHandle task, TaskCall call) override;
  /// In the name of `caller`, or else of the process.
  std::vector<ReferencePtr> SubmitAll(const std::string& program, std::vector<Value> arguments,
                                      const Options& options = {}, TaskHandle caller = nullptr);
  ReferencePtr Submit(const std::string& program, std::vector<Value> arguments,
                      const Options& options = {}) {
    return SubmitAll(program, std::move(arguments), options).front();
  }
  ReferencePtr PutLarge(std::string text);
  ReferencePtr Borrow(const std::string& mention);
  /// Runs the cluster until the value is there.
  Result<std::string> Get(const ReferencePtr& reference);
  [[nodiscard]] const protocol::Address& address() const { return assembly->address(); }
  [[nodiscard]] std::string worker_id() const { return address().worker_id(); }

  Cluster& cluster;
  Node& node;
  EventLog log;
  std::unique_ptr<CoreWorkerAssembly> assembly;
  CoreWorker& core;
  std::size_t tasks_started = 0;
  std::optional<Error> must_exit;
  Lifetime alive;

 private:
  std::unique_ptr<CoreWorkerAssembly> Assemble(bool is_driver);
};

/// A raylet and its store.
class Node {
 public:
  Node(Cluster& cluster, std::string name, double cpus, std::uint64_t capacity_bytes);

  /// Ends a process, as seen from outside: connections close, its raylet knows the cause.
  void Kill(Process& process, std::string cause, std::string log_tail = {});
  Process* FindWorker(const std::function<bool(const Process&)>& wanted);
  /// Tells holders of leases that others wait, or that they themselves do.
  void Reclaim();
  void EndLeasesOf(const std::string& owner);
  [[nodiscard]] std::int64_t free_units() const { return free_units_; }
  [[nodiscard]] std::size_t lease_count() const { return leases_.size(); }
  [[nodiscard]] std::vector<std::string> lease_ids() const;
  [[nodiscard]] std::string any_lease() const { return leases_.begin()->first; }
  [[nodiscard]] std::size_t queued_count() const { return queue_.size(); }
  [[nodiscard]] const std::map<std::string, rpc::Peer*>& peers() const { return peers_; }
  [[nodiscard]] const std::map<std::string, protocol::EndLostWorkerReply>& deaths() const {
    return deaths_;
  }

  Cluster& cluster;
  const std::string endpoint;
  NodeId id;
  std::map<ObjectId, Payload> objects;
  std::map<ObjectId, WritablePayload> unsealed;
  std::uint64_t capacity_bytes;
  Duration fetch_time{0};                                   ///< Of a `Get` of the store.
  std::map<std::string, std::unique_ptr<Process>> workers;  // by worker id
  std::vector<protocol::RequestLeaseRequest> requests_seen;
  std::vector<protocol::KeepLeasesRequest> keeps_seen;
  rpc::Peer* last_asker = nullptr;  // of requests_seen.back()
  std::size_t blocked_seen = 0;
  /// Answers a request before the raylet does; nullopt: as usual.
  std::function<std::optional<protocol::RequestLeaseReply>(const protocol::RequestLeaseRequest&)>
      script;

 private:
  friend class Process;
  struct Waiting {
    protocol::RequestLeaseRequest request;
    rpc::Respond<protocol::RequestLeaseReply> respond;
  };
  struct Leased {
    std::string worker_id;
    std::string owner;
    std::int64_t units;
    bool is_blocked = false;
  };
  void AddHandlers();
  void AddObjectHandlers();
  void GrantWaiting();
  protocol::RegisterWorkerReply OnRegister(const protocol::RegisterWorkerRequest& request,
                                           rpc::Peer& peer);
  void SetBlocked(rpc::Peer* peer, bool blocked);
  void EndLease(const std::string& lease_id);

  std::int64_t total_units_;
  std::int64_t free_units_;
  rpc::ServiceTable services_;
  std::deque<Waiting> queue_;
  std::map<std::string, std::uint64_t> turns_;  // of owners: when they were last granted a lease
  std::map<std::string, Leased> leases_;        // by lease id
  std::vector<std::string> idle_;               // worker ids
  std::map<std::string, protocol::EndLostWorkerReply> deaths_;
  std::map<std::string, rpc::Peer*> peers_;  // by worker id
  std::unique_ptr<rpc::Server> server_;
};

class Cluster {
 public:
  explicit Cluster(std::uint64_t seed = 1);
  ~Cluster();
  Node& AddNode(double cpus, std::uint64_t capacity_bytes = 1 << 20);
  Process& AddDriver(Node& node);
  void KillDriver(Process& driver);
  /// The node is gone with all on it; the others are told a little later.
  void KillNode(Node& node);
  Node* FindNode(std::string_view endpoint);
  /// \return how a process ended; empty: it lives.
  [[nodiscard]] std::string CauseOfDeath(const std::string& worker) const;
  void RunFor(Duration time) { loop.RunFor(time); }
  /// Lets everything come to rest, then expects that nothing is left anywhere.
  void ExpectNothingLeft();
  [[nodiscard]] std::string LeftOver() const;

  SimulatedEventLoop loop;
  Random random;
  std::unique_ptr<transport::Transport> transport;
  CoreWorkerConfig config;
  std::size_t lanes = 1;           ///< Of the workers that start from now on.
  std::string program = "test 1";  ///< Of processes made from now on.
  std::map<std::string, TestProgram> programs;
  std::map<std::string, int> runs;  ///< How often each program was started.
  std::vector<std::unique_ptr<Node>> nodes;
  std::vector<std::unique_ptr<Process>> drivers;
  std::uint64_t made = 0;
};

}  // namespace mobula::core_worker::sim
