// merge.h -- byte-pair merging, shared by both families of tokenizers: the best pair first, the leftmost of equals.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace heed {

/// A stretch of the text, and its token (-1: none).
struct MergeSymbol {
  std::uint32_t start = 0, size = 0;
  std::int32_t token = -1;
};

struct MergeRule {
  static constexpr std::uint32_t kNever = std::numeric_limits<std::uint32_t>::max();
  std::uint32_t rank = kNever;  // lower merges first
  std::int32_t token = -1;      // the result
};

namespace merge_detail {

inline constexpr std::size_t kShort = 32;

/// For words: no allocation, and a scan for the best pair is cheaper than a heap.
template <class RuleOf>
void merge_short(std::vector<MergeSymbol>& symbols, const RuleOf& rule_of) {
  std::array<MergeRule, kShort> rules;  // rules[i] joins symbols i and i + 1
  std::size_t pairs = symbols.size() - 1;
  for (std::size_t i = 0; i < pairs; ++i) rules[i] = rule_of(symbols[i], symbols[i + 1]);
  while (pairs > 0) {
    std::size_t best = 0;
    for (std::size_t i = 1; i < pairs; ++i) {
      if (rules[i].rank < rules[best].rank) best = i;
    }
    if (rules[best].rank == MergeRule::kNever) break;
    symbols[best].size += symbols[best + 1].size;
    symbols[best].token = rules[best].token;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    for (std::size_t i = best; i + 1 < pairs; ++i) rules[i] = rules[i + 1];
    --pairs;
    if (best > 0) rules[best - 1] = rule_of(symbols[best - 1], symbols[best]);
    if (best < pairs) rules[best] = rule_of(symbols[best], symbols[best + 1]);
  }
}

/// A candidate of the heap: `left` and its right neighbour at the time. Stale once either has changed, which `size`
/// shows, since symbols only grow to the right.
struct Candidate {
  std::uint64_t key;  // rank, then left
  std::uint32_t size;
  std::int32_t token;
  bool operator<(const Candidate& other) const noexcept { return key > other.key; }
};

template <class RuleOf>
class LongMerge {
 public:
  LongMerge(std::vector<MergeSymbol>& symbols, const RuleOf& rule_of) : symbols_(symbols), rule_of_(rule_of) {}

  void run() {
    const auto count = static_cast<std::uint32_t>(symbols_.size());
    previous_.resize(count);
    next_.resize(count);
    for (std::uint32_t i = 0; i < count; ++i) {
      previous_[i] = i == 0 ? kNone : i - 1;
      next_[i] = i + 1 < count ? i + 1 : kNone;
    }
    for (std::uint32_t i = 0; i + 1 < count; ++i) offer(i);
    std::make_heap(heap_.begin(), heap_.end());
    is_heap_ = true;
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end());
      const Candidate candidate = heap_.back();
      heap_.pop_back();
      const auto left = static_cast<std::uint32_t>(candidate.key);
      if (is_fresh(candidate, left)) apply(candidate, left);
    }
    std::erase_if(symbols_, [](const MergeSymbol& symbol) { return symbol.size == 0; });
  }

 private:
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

  bool is_fresh(const Candidate& candidate, std::uint32_t left) const noexcept {
    const std::uint32_t right = next_[left];
    return symbols_[left].size > 0 && right != kNone && symbols_[left].size + symbols_[right].size == candidate.size;
  }

  /// The pair of `left` and its right neighbour, which exists.
  void offer(std::uint32_t left) {
    const MergeSymbol &a = symbols_[left], &b = symbols_[next_[left]];
    const MergeRule rule = rule_of_(a, b);
    if (rule.rank == MergeRule::kNever) return;
    heap_.push_back({std::uint64_t{rule.rank} << 32 | left, a.size + b.size, rule.token});
    if (is_heap_) std::push_heap(heap_.begin(), heap_.end());
  }

  void apply(const Candidate& candidate, std::uint32_t left) {
    const std::uint32_t right = next_[left], after = next_[right];
    symbols_[left].size = candidate.size;
    symbols_[left].token = candidate.token;
    symbols_[right].size = 0;
    next_[left] = after;
    if (after != kNone) previous_[after] = left;
    if (previous_[left] != kNone) offer(previous_[left]);
    if (after != kNone) offer(left);
  }

  std::vector<MergeSymbol>& symbols_;
  const RuleOf& rule_of_;
  std::vector<std::uint32_t> previous_, next_;  // [symbols]
  std::vector<Candidate> heap_;
  bool is_heap_ = false;
};

}  // namespace merge_detail

/// `rule_of(left, right)` gives the MergeRule of two neighbours. O(n log n) look-ups. Symbols are not empty.
template <class RuleOf>
void merge_symbols(std::vector<MergeSymbol>& symbols, const RuleOf& rule_of) {
  if (symbols.size() < 2) return;
  if (symbols.size() <= merge_detail::kShort) {
    merge_detail::merge_short(symbols, rule_of);
  } else {
    merge_detail::LongMerge<RuleOf>(symbols, rule_of).run();
  }
}

}  // namespace heed
