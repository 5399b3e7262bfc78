/// \file
/// \brief Which other processes borrow which of our objects.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>

#include "components/base/event_log.h"
#include "components/base/event_loop.h"
#include "components/base/ids.h"
#include "components/base/lifetime.h"
#include "components/transport/rpc/peer.h"

namespace mobula::core_worker {

/// A borrow ends when the borrower says so, or when its connection was lost and it did not come
/// back within a grace: then it is dead, or it has learnt that it must register again.
///
/// Threads: the state lock. Lifetime: loop and log outlive it.
class Borrowers {
 public:
  using OnRemoved = std::function<void(const ObjectId&, const WorkerId&)>;
  /// \param on_removed a borrow has ended.
  Borrowers(EventLoop& loop, EventLog& log, Duration grace, OnRemoved on_removed)
      : loop_(loop), log_(log), grace_(grace), on_removed_(std::move(on_removed)) {}

  /// The process is connected over `peer`, perhaps again.
  void Connect(const WorkerId& borrower, rpc::Peer* peer);
  /// Twice equals once. \pre the process has connected.
  void Add(const WorkerId& borrower, const ObjectId& id) { borrowers_.at(borrower).ids.insert(id); }
  /// Does nothing for what is not borrowed.
  void Remove(const WorkerId& borrower, const std::vector<ObjectId>& ids);
  void OnPeerClosed(const rpc::Peer& peer);

  [[nodiscard]] bool Has(const WorkerId& borrower, const ObjectId& id) const;
  /// \return how many borrows there are.
  [[nodiscard]] std::size_t Count() const;
  void Stop();

 private:
  struct Borrower {
    rpc::Peer* peer = nullptr;  // null while its connection is lost
    std::set<ObjectId> ids;
    std::unique_ptr<Timer> grace;  // runs while the connection is lost
  };
  void Drop(const WorkerId& borrower);

  EventLoop& loop_;
  EventLog& log_;
  Duration grace_;
  OnRemoved on_removed_;
  std::map<WorkerId, Borrower> borrowers_;
  Lifetime alive_;
};

}  // namespace mobula::core_worker
