// \edge: takes messages apart and calls what the chapter explains
#include "components/core_worker/owner/borrowers.h"

namespace mobula::core_worker {

void Borrowers::Connect(const WorkerId& borrower, rpc::Peer* peer) {
  Borrower& known = borrowers_[borrower];
  known.peer = peer;
  known.grace.reset();  // it came back in time: all that it borrowed it borrows still
}

void Borrowers::Remove(const WorkerId& borrower, const std::vector<ObjectId>& ids) {
  const auto it = borrowers_.find(borrower);
  if (it == borrowers_.end()) return;
  // The same message may arrive twice; what is not borrowed any more is skipped.
  for (const ObjectId& id : ids) {
    if (it->second.ids.erase(id) > 0) on_removed_(id, borrower);
  }
  // A process that borrows nothing is nothing to us, connected or not.
  if (it->second.ids.empty()) borrowers_.erase(it);
}

void Borrowers::OnPeerClosed(const rpc::Peer& peer) {
  for (auto& [worker, borrower] : borrowers_) {
    if (borrower.peer != &peer) continue;
    // A connection can be lost while both processes live on. The borrower connects again and
    // registers; until then its borrows stand, or objects that it uses would be freed.
    borrower.peer = nullptr;
    borrower.grace = std::make_unique<Timer>(loop_);
    borrower.grace->Set(grace_, alive_.Bind([this, worker = worker] { Drop(worker); }));
  }
}

// It did not come back: it is taken for dead, and its borrows end.
void Borrowers::Drop(const WorkerId& borrower) {
  const auto ended = borrowers_.extract(borrower);
  if (ended.empty()) return;
  const std::set<ObjectId>& ids = ended.mapped().ids;
  log_.Info("object", "borrower_lost", "worker={} objects={}", borrower.Short(), ids.size());
  for (const ObjectId& id : ids) on_removed_(id, borrower);
}

bool Borrowers::Has(const WorkerId& borrower, const ObjectId& id) const {
  const auto it = borrowers_.find(borrower);
  return it != borrowers_.end() && it->second.ids.contains(id);
}

std::size_t Borrowers::Count() const {
  std::size_t count = 0;
  for (const auto& [worker, borrower] : borrowers_) count += borrower.ids.size();
  return count;
}

void Borrowers::Stop() {
  alive_.End();
  borrowers_.clear();
}

}  // namespace mobula::core_worker
