// attention_block.cc -- masks and biases, worked out per page and row and never per element of the inner loops.
#include "kernels/attention_block.h"

#include <algorithm>

namespace heed {
namespace {

constexpr std::uint64_t kAllKeys = ~std::uint64_t{0};

struct RowSight {
  std::int32_t begin, end, sink;  // [begin, end) and [0, sink)
};

RowSight row_sight(const Mask& m, std::int32_t position, std::int32_t length) {
  RowSight s{0, m.causal ? std::min(length, std::max(position + 1, m.prefix)) : length, 0};
  if (m.window > 0 && position + 1 > m.window) {
    s.begin = std::min(position + 1 - m.window, s.end);
    s.sink = std::min(m.sink, s.end);
  }
  return s;
}

std::uint64_t bits_below(std::int32_t n) {
  if (n <= 0) return 0;
  return n >= kPageTokens ? kAllKeys : (std::uint64_t{1} << n) - 1;
}

std::uint64_t block_bits(const BlockList& list, std::int32_t position, std::int32_t first_key) {
  const auto row = static_cast<std::size_t>(position / list.block);
  std::uint64_t bits = 0;
  const auto keys = list.key_block.subspan(static_cast<std::size_t>(list.row_start[row]),
                                           static_cast<std::size_t>(list.row_start[row + 1] - list.row_start[row]));
  auto it = std::lower_bound(keys.begin(), keys.end(), first_key / list.block);
  for (; it != keys.end() && *it * list.block < first_key + kPageTokens; ++it) {
    const std::int32_t key = *it * list.block - first_key;
    bits |= bits_below(key + list.block) & ~bits_below(key);
  }
  return bits;
}

// Bit t: the row sees key first_key + t.
std::uint64_t visible_bits(const Mask& m, std::int32_t position, std::int32_t length, std::int32_t first_key) {
  const RowSight s = row_sight(m, position, length);
  const std::uint64_t bits =
      (bits_below(s.end - first_key) & ~bits_below(s.begin - first_key)) | bits_below(s.sink - first_key);
  return m.blocks && bits ? bits & block_bits(*m.blocks, position, first_key) : bits;
}

bool has_bias(const Score& s) { return !s.alibi_slope.empty() || !s.by_distance.empty(); }

// bias[c] for the keys first_key + c of a query `distance` = first_key - its position away.
void fill_bias(const Score& s, std::int32_t head, std::int32_t distance, float* bias) {
  std::fill_n(bias, kPageTokens, 0.0f);
  if (!s.alibi_slope.empty()) {
    const float slope = s.alibi_slope[static_cast<std::size_t>(head)] * kLog2E;
    for (std::int32_t c = 0; c < kPageTokens; ++c) bias[c] = slope * static_cast<float>(distance + c);
  }
  if (s.by_distance.empty()) return;
  const float* table = s.by_distance.data() + std::int64_t{head} * (2 * s.reach + 1) + s.reach;
  for (std::int32_t c = 0; c < kPageTokens; ++c) bias[c] += table[std::clamp(distance + c, -s.reach, s.reach)] * kLog2E;
}

}  // namespace

Sight sight_of(const RowBlock& b) {
  const Mask& m = b.spec->mask;
  const std::int32_t length = b.job->kv.length;
  // Begin, end and sink grow with the position.
  const RowSight low = row_sight(m, b.position(0), length), high = row_sight(m, b.position(b.rows - 1), length);
  return {low.begin, high.end, high.begin, low.end, std::max(low.sink, high.sink)};
}

void load_queries(const RowBlock& b, const AttentionTable& table, float* q) {
  const std::int32_t dim = b.job->kv.k_dim;
  const float scale = b.spec->score.scale * kLog2E;
  for (std::int32_t r = 0; r < b.rows; ++r) {
    const float* from = b.job->q + b.token(r) * b.job->q_stride + std::int64_t{b.head(r)} * dim;
    for (std::int32_t i = 0; i < dim; ++i) q[r * dim + i] = from[i] * scale;
  }
  if (table.pack_queries && b.job->kv.dtype == DType::bf16) table.pack_queries(q, b.rows, dim);
}

PageTask block_task(const RowBlock& b, const BlockScratch& scratch) {
  return {.k_dim = b.job->kv.k_dim,
          .v_dim = b.job->kv.v_dim,
          .rows = b.rows,
          .q = scratch.q,
          .softcap = b.spec->score.softcap * kLog2E};
}

bool aim_at_page(const RowBlock& b, const Sight& sight, std::int32_t first_key, const BlockScratch& scratch,
                 PageTask& task) {
  if (!sight.may_see(first_key, first_key + kPageTokens)) return false;
  const AttentionSpec& spec = *b.spec;
  const KvView& kv = b.job->kv;
  task.visible = nullptr;
  if (spec.mask.blocks || first_key < sight.all_begin || first_key + kPageTokens > sight.all_end) {
    std::uint64_t any = 0, all = kAllKeys;
    for (std::int32_t r = 0; r < b.rows; ++r) {
      const std::uint64_t bits = visible_bits(spec.mask, b.position(r), kv.length, first_key);
      scratch.visible[r] = bits;
      any |= bits;
      all &= bits;
    }
    if (any == 0) return false;
    if (all != kAllKeys) task.visible = scratch.visible;
  }
  task.bias = nullptr;
  if (has_bias(spec.score)) {
    for (std::int32_t r = 0; r < b.rows; ++r)
      fill_bias(spec.score, b.head(r), first_key - b.position(r), scratch.bias + r * kPageTokens);
    task.bias = scratch.bias;
  }
  const std::int64_t size = info(kv.dtype).block_bytes;
  const std::int64_t before = std::int64_t{b.kv_head} * kPageTokens * size;
  const auto in_page = [&](std::int32_t key, std::int64_t offset) {
    const std::int64_t page = kv.pages[static_cast<std::size_t>(key / kPageTokens)];
    return reinterpret_cast<const std::uint8_t*>(kv.base + page * kv.page_stride + offset);
  };
  const std::int32_t next_key = first_key + kPageTokens < kv.length ? first_key + kPageTokens : first_key;
  task.k = in_page(first_key, kv.k_offset + before * kv.k_dim);
  task.v = in_page(first_key, kv.v_offset + before * kv.v_dim);
  task.next_k = in_page(next_key, kv.k_offset + before * kv.k_dim);
  return true;
}

}  // namespace heed
