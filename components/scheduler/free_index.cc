// \edge: explains and reads, and decides nothing
#include "components/scheduler/free_index.h"

#include <bit>

#include "components/base/check.h"
#include "components/scheduler/cluster_view.h"

namespace mobula::scheduler {
namespace {

std::uint32_t ShelfOf(Amount amount) {
  return amount.units() <= 0 ? 0 : std::bit_width(static_cast<std::uint64_t>(amount.units()));
}

}  // namespace

const NodeView& FreeIndex::Candidates::operator[](std::size_t index) const {
  std::size_t shelf = first_shelf_;
  while (index >= rack_->shelves[shelf].size()) index -= rack_->shelves[shelf++].size();
  return *rack_->shelves[shelf][index].node;
}

// A node has one slip for each resource, which says where it stands, and one under "" for requests
// that want nothing in particular.
void FreeIndex::Add(const NodeView& node) {
  Slips& slips = slips_[node.id];
  Check(slips.empty(), "FreeIndex::Add of a node that is there");
  const auto file = [&](const std::string& name) {
    slips.push_back({.rack = racks_.try_emplace(name).first, .shelf = 0, .position = 0});
    ++slips.back().rack->second.nodes;
    Place(node, slips, static_cast<std::uint32_t>(slips.size() - 1));
  };
  file("");
  for (const auto& [name, amount] : node.total.entries()) file(name);
}

void FreeIndex::Remove(const NodeView& node) {
  const auto it = slips_.find(node.id);
  Check(it != slips_.end(), "FreeIndex::Remove of a node that is not there");
  for (const Slip& slip : it->second) {
    Displace(slip);
    if (--slip.rack->second.nodes == 0) racks_.erase(slip.rack);
  }
  slips_.erase(it);
}

void FreeIndex::Refile(const NodeView& node) {
  Slips& slips = slips_.at(node.id);
  // Slip 0, of the rack of all nodes, always has the amount zero. Most changes leave a node within
  // the same power of two, and then nothing moves.
  for (std::uint32_t i = 1; i < slips.size(); ++i) {
    if (ShelfOf(node.available.Get(slips[i].rack->first)) == slips[i].shelf) continue;
    Displace(slips[i]);
    Place(node, slips, i);
  }
}

void FreeIndex::Place(const NodeView& node, Slips& slips, std::uint32_t slip) {
  Slip& place = slips[slip];
  place.shelf = ShelfOf(node.available.Get(place.rack->first));
  std::vector<Filed>& shelf = place.rack->second.shelves[place.shelf];
  place.position = static_cast<std::uint32_t>(shelf.size());
  shelf.push_back({.node = &node, .slip = slip});
}

void FreeIndex::Displace(const Slip& slip) {
  std::vector<Filed>& shelf = slip.rack->second.shelves[slip.shelf];
  // The last of the shelf fills the gap, so that no others move, and its slip learns its new place.
  const Filed last = shelf.back();
  shelf[slip.position] = last;
  slips_.at(last.node->id)[last.slip].position = slip.position;
  shelf.pop_back();
}

FreeIndex::Candidates FreeIndex::Find(const ResourceSet& wanted) const {
  Candidates best;
  const auto everyone = racks_.find("");
  if (everyone == racks_.end()) return best;
  best.rack_ = &everyone->second;
  best.size_ = everyone->second.nodes;
  for (const auto& [name, amount] : wanted.entries()) {
    const auto rack = racks_.find(name);
    if (rack == racks_.end()) return {};  // no node has any of it
    Candidates found;
    found.rack_ = &rack->second;
    found.first_shelf_ = ShelfOf(amount);
    for (std::size_t shelf = found.first_shelf_; shelf < kShelves; ++shelf) {
      found.size_ += rack->second.shelves[shelf].size();
    }
    // Each resource alone gives a superset of the nodes that fit; the smallest is the best start.
    if (found.size_ < best.size_) best = found;
  }
  return best;
}

}  // namespace mobula::scheduler
