// sparse_pattern.h -- block lists made once per length: which key blocks the queries of a block see.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels/attention.h"

namespace heed {

/// A block list and the memory it points at. Move-only: addresses stay.
class SparsePattern {
 public:
  SparsePattern() = default;
  SparsePattern(std::int32_t block, std::vector<std::int32_t> row_start, std::vector<std::int32_t> key_block) noexcept
      : block_(block), row_start_(std::move(row_start)), key_block_(std::move(key_block)) {}
  SparsePattern(SparsePattern&&) noexcept = default;
  SparsePattern& operator=(SparsePattern&&) noexcept = default;

  BlockList list() const noexcept { return {.block = block_, .row_start = row_start_, .key_block = key_block_}; }

 private:
  std::int32_t block_ = kPageTokens;
  std::vector<std::int32_t> row_start_{0}, key_block_;
};

/// BigBird (Zaheer et al. 2020) in blocks: the first `global`, the last `window` (the query's own is one of them) and
/// `random` more of those between. Two-sided, the first `global` query blocks see everything and windows reach
/// both ways (window / 2 blocks on each side).
struct BigBirdOptions {
  std::int32_t block = kPageTokens;
  std::int32_t global = 1, window = 3, random = 3;
  std::uint64_t seed = 1;
  bool causal = true;
};

/// The list for positions 0 .. positions - 1. A causal row depends on the seed and its own number alone, so a longer
/// list begins with the shorter one.
SparsePattern big_bird(std::int32_t positions, const BigBirdOptions& options);

}  // namespace heed
