// merge_table.h -- the merges of byte-pair encoding: what two tokens become, and how early.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "text/merge.h"

namespace heed {

/// (left token, right token) -> rule. Open addressing; filled once.
class MergeTable {
 public:
  void reserve(std::size_t merges) { slots_.assign(std::bit_ceil(merges + merges / 2 + 2), Slot{}); }

  /// The first of equal pairs stays; at most as many as are reserved.
  void insert(std::int32_t left, std::int32_t right, MergeRule rule) {
    Slot& slot = slots_[slot_of(left, right)];
    if (slot.rule.token < 0) slot = {left, right, rule};
  }

  MergeRule find(std::int32_t left, std::int32_t right) const noexcept { return slots_[slot_of(left, right)].rule; }

 private:
  struct Slot {
    std::int32_t left = -1, right = -1;
    MergeRule rule;  // token -1: free
  };

  std::size_t slot_of(std::int32_t left, std::int32_t right) const noexcept {
    const std::uint64_t key = std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
    const std::uint64_t mixed = (key ^ key >> 29) * 0x9E3779B97F4A7C15ULL;
    const std::size_t mask = slots_.size() - 1;
    std::size_t slot = (mixed ^ mixed >> 32) & mask;
    while (slots_[slot].rule.token >= 0 && (slots_[slot].left != left || slots_[slot].right != right)) {
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  std::vector<Slot> slots_;  // a power of two
};

}  // namespace heed
