/// \file
/// \brief From what a task returned to the message its owner gets.
///
/// Small values travel in the message, large ones stay in this node's store. What leaves is sent in
/// batches, and only after the owners of everything we borrowed know of us; references inside
/// results are held here until the receiver has registered too (hand over hand, references.h).
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "components/base/lifetime.h"
#include "components/core_worker/core_worker.h"
#include "components/core_worker/worker/pushed_task.h"
#include "components/protocol/raylet.pb.h"
#include "components/protocol/worker.pb.h"

namespace mobula::core_worker {

/// Threads: the state lock. Lifetime: everything in `Deps` outlives it.
class ResultSender {
 public:
  struct Deps {
    EventLoop& loop;
    rpc::Client& raylet;
    ReferenceTable& references;
  };
  explicit ResultSender(Deps deps) : deps_(deps) {}
  void Start(const protocol::Address& self, std::string raylet_endpoint,
             object_store::StoreClient& store, std::uint64_t inline_bytes_max);

  /// Sends all results of a task, moved out of `outputs`, after storing what is large. A store
  /// without room makes it a failure.
  void Send(const PushedTask& task, std::span<TaskOutput> outputs, Duration took);
  void SendFailure(const PushedTask& task, const Error& error, Duration took);
  /// Sends anything else about a task of this lease.
  void Add(const ServedLeasePtr& lease, protocol::TaskResult result);
  /// Sends what was added now. Else it leaves soon, or when there is a batch of it.
  void Flush();

  void ReleaseHandoffs(const protocol::ReleaseHandoffRequest& request);
  void DropPeer(const rpc::Peer& peer);
  /// \return results not sent, or sent with references that are not taken over yet.
  [[nodiscard]] std::size_t unfinished_count() const {
    return storing_ + unflushed_.size() + unsent_ + handoffs_.size();
  }
  void Stop();

 private:
  /// An outcome that is being put together.
  struct Draft {
    PushedTask task;
    protocol::TaskResult result;
    std::vector<TaskOutput> outputs;
    protocol::AdoptObjectsRequest stored;
    std::size_t waiting_for = 0;
    std::optional<Error> error;
  };
  bool AddValue(const PushedTask& task, const TaskOutput& output, Duration took);
  void CountIn(const ServedLeasePtr& lease, std::size_t bytes);
  void Store(const std::shared_ptr<Draft>& draft, std::size_t index);
  void OnStored(const std::shared_ptr<Draft>& draft, const Result<void>& stored);
  void Complete(const std::shared_ptr<Draft>& draft);
  void SetFailure(const PushedTask& task, const Error& error, protocol::TaskResult* result) const;
  void FlushLease(const ServedLeasePtr& lease);

  struct Handoff {
    ServedLeasePtr lease;
    std::vector<internal::ReferencePtr> references;
  };

  Deps deps_;
  protocol::Address self_;
  protocol::Copy self_copy_;
  object_store::StoreClient* store_ = nullptr;
  std::uint64_t inline_bytes_max_ = 0;
  std::vector<ServedLeasePtr> unflushed_;
  bool is_flush_due_ = false;
  std::map<TaskId, Handoff> handoffs_;
  std::size_t storing_ = 0;  // drafts that wait for the store
  std::size_t unsent_ = 0;   // batches that wait for borrows to be acknowledged
  Lifetime alive_;
};

}  // namespace mobula::core_worker
