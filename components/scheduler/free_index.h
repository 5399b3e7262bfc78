/// \file
/// \brief Finds nodes with enough free of a resource without looking at all nodes.
///
/// For each resource the nodes stand on shelves by the power of two below what they have free.
/// A request for 3 CPU looks at the shelves "2 to 4" and up: the first may hold nodes that do not
/// fit, so the answer is a superset, but it never misses one. In a full cluster it is empty, and
/// in a free one a random pick from it is O(1): both are what a scan of 10 000 nodes is not.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "components/base/ids.h"
#include "components/base/resources.h"

namespace mobula::scheduler {

struct NodeView;

/// Shelves of nodes by what they have free. Part of `ClusterView`, which keeps it in step.
///
/// Threads: one. Lifetime: borrows every node between `Add` and `Remove`.
/// Cost: `Add`, `Remove`, `Refile` O(resources of the node); `Find` O(resources asked).
class FreeIndex {
  struct Filed {
    const NodeView* node;
    std::uint32_t slip;  // which of the node's slips stands here
  };
  static constexpr std::size_t kShelves = 64;  // one for each power of two, and one for "nothing"
  struct Rack {
    std::array<std::vector<Filed>, kShelves> shelves;
    std::size_t nodes = 0;
  };
  using Racks = std::map<std::string, Rack, std::less<>>;

 public:
  /// A list of nodes, those with less free first. Valid until the index changes.
  class Candidates {
   public:
    [[nodiscard]] std::size_t size() const { return size_; }
    /// \pre index < size(). Cost: at most one step per shelf.
    [[nodiscard]] const NodeView& operator[](std::size_t index) const;

   private:
    friend class FreeIndex;
    const Rack* rack_ = nullptr;
    std::size_t first_shelf_ = 0;
    std::size_t size_ = 0;
  };

  void Add(const NodeView& node);
  /// \pre `node` was added.
  void Remove(const NodeView& node);
  /// Moves a node whose available amounts changed, its total not.
  void Refile(const NodeView& node);

  /// \return a superset of the added nodes that have `wanted` free, as small as one resource
  /// alone can make it.
  [[nodiscard]] Candidates Find(const ResourceSet& wanted) const;

 private:
  struct Slip {
    Racks::iterator rack;
    std::uint32_t shelf;
    std::uint32_t position;
  };
  using Slips = std::vector<Slip>;

  void Place(const NodeView& node, Slips& slips, std::uint32_t slip);
  void Displace(const Slip& slip);

  Racks racks_;  // by resource; "" holds every node
  std::unordered_map<NodeId, Slips> slips_;
};

}  // namespace mobula::scheduler
