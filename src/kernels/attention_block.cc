// attention_block.cc -- biases and addresses, worked out per page and row and never per element of the inner loops.
#include "kernels/attention_block.h"

#include <algorithm>

#include "kernels/attention_mask.h"

namespace heed {
namespace {

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

bool aim_at_page(const RowBlock& b, const PageWalk& walk, std::int32_t page, const BlockScratch& scratch,
                 PageTask& task) {
  const std::int32_t first_key = page * kPageTokens;
  const PageWalk::Seen seen = walk.look(first_key, scratch.visible);
  if (seen == PageWalk::Seen::none) return false;
  task.visible = seen == PageWalk::Seen::all ? nullptr : scratch.visible;
  const AttentionSpec& spec = *b.spec;
  const KvView& kv = b.job->kv;
  task.bias = nullptr;
  if (has_bias(spec.score)) {
    for (std::int32_t r = 0; r < b.rows; ++r)
      fill_bias(spec.score, b.head(r), first_key - b.position(r), scratch.bias + r * kPageTokens);
    task.bias = scratch.bias;
  }
  const std::int64_t size = info(kv.dtype).block_bytes;
  const std::int64_t before = std::int64_t{b.kv_head} * kPageTokens * size;
  const auto in_page = [&](std::int32_t at, std::int64_t offset) {
    const std::int64_t place = kv.pages[static_cast<std::size_t>(at)];
    return reinterpret_cast<const std::uint8_t*>(kv.base + place * kv.page_stride + offset);
  };
  const std::int32_t next = walk.next(page + 1);
  task.k = in_page(page, kv.k_offset + before * kv.k_dim);
  task.v = in_page(page, kv.v_offset + before * kv.v_dim);
  task.next_k = in_page(next < walk.end() ? next : page, kv.k_offset + before * kv.k_dim);
  return true;
}

}  // namespace heed
