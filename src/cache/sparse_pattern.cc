// sparse_pattern.cc -- a few numbers per query block; nothing here is done per key.
#include "cache/sparse_pattern.h"

#include <algorithm>

namespace heed {
namespace {

std::uint64_t mix(std::uint64_t x) {  // splitmix64 (Steele et al. 2014)
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

using Row = std::vector<std::int32_t>;

void add_range(Row& row, std::int32_t begin, std::int32_t end) {
  for (std::int32_t i = begin; i < end; ++i) row.push_back(i);
}

void add_unless_there(Row& row, std::int32_t block) {
  if (std::find(row.begin(), row.end(), block) == row.end()) row.push_back(block);
}

// `count` different blocks of [begin, end), by Floyd's sampling: as many draws as blocks.
void add_random(Row& row, std::int32_t begin, std::int32_t end, std::int32_t count, std::uint64_t seed) {
  const std::int32_t n = end - begin;
  if (n <= count) return add_range(row, begin, end);
  Row drawn;
  for (std::int32_t i = n - count; i < n; ++i) {
    const auto pick =
        static_cast<std::int32_t>(mix(seed + static_cast<std::uint64_t>(i)) % static_cast<std::uint64_t>(i + 1));
    add_unless_there(drawn, std::find(drawn.begin(), drawn.end(), pick) == drawn.end() ? pick : i);
  }
  for (const std::int32_t pick : drawn) row.push_back(begin + pick);
}

// `fill` puts the blocks that query block `i` sees into the row, in any order.
template <class Fill>
SparsePattern make(std::int32_t positions, std::int32_t block, Fill&& fill) {
  std::vector<std::int32_t> row_start{0}, key_block;
  Row row;
  for (std::int32_t i = 0; i * std::int64_t{block} < positions; ++i) {
    row.clear();
    fill(i, row);
    std::sort(row.begin(), row.end());
    row.erase(std::unique(row.begin(), row.end()), row.end());
    key_block.insert(key_block.end(), row.begin(), row.end());
    row_start.push_back(static_cast<std::int32_t>(key_block.size()));
  }
  return {block, std::move(row_start), std::move(key_block)};
}

}  // namespace

SparsePattern big_bird(std::int32_t positions, const BigBirdOptions& o) {
  const std::int32_t blocks = (positions + o.block - 1) / o.block;
  return make(positions, o.block, [&](std::int32_t i, Row& row) {
    const std::int32_t reach = o.causal ? 0 : o.window / 2;
    const std::int32_t first = std::max(0, o.causal ? i + 1 - o.window : i - reach);
    const std::int32_t last = std::min(blocks, i + reach + 1), end = o.causal ? i + 1 : blocks;
    if (!o.causal && i < o.global) return add_range(row, 0, blocks);
    add_range(row, 0, std::min(o.global, end));
    add_range(row, std::max(first, std::min(o.global, end)), last);
    const std::uint64_t seed = mix(o.seed * 0x100000001b3u + static_cast<std::uint64_t>(i));
    if (o.global < first) add_random(row, o.global, first, o.random, seed);
  });
}

}  // namespace heed
