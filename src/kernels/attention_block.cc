// attention_block.cc -- biases and addresses, worked out per page and row and never per element of the inner loops.
#include "kernels/attention_block.h"

#include <algorithm>

#include "kernels/attention_mask.h"
#include "kernels/rotation.h"

namespace heed {
namespace {

float dot(const float* a, const float* b, std::int32_t n) {
  double sum = 0;
  for (std::int32_t i = 0; i < n; ++i) sum += double{a[i]} * double{b[i]};
  return static_cast<float>(sum);
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

BlockScratch take_block_scratch(Arena& arena, std::int32_t block_rows, std::int32_t k_dim) {
  const auto rows = static_cast<std::size_t>(block_rows);
  const BlockScratch s{arena.allocate_array<float>(rows * static_cast<std::size_t>(k_dim)),
                       arena.allocate_array<float>(rows * kPageTokens), arena.allocate_array<float>(rows),
                       arena.allocate_array<std::uint64_t>(rows)};
  return s.q && s.bias && s.shift && s.visible ? s : BlockScratch{};
}

void load_queries(const RowBlock& b, const AttentionTable& table, const BlockScratch& scratch) {
  const std::int32_t dim = b.job->kv.k_dim;
  const bool rotated = is_integer_kv(b.job->kv.dtype);
  const float turned = rotation_factor(rotated, dim);
  const float scale = b.spec->score.scale * kLog2E;
  const float* center = b.job->kv.k_center ? b.job->kv.k_center + std::int64_t{b.kv_head} * dim : nullptr;
  for (std::int32_t r = 0; r < b.rows; ++r) {
    const float* from = b.job->q + b.token(r) * b.job->q_stride + std::int64_t{b.head(r)} * dim;
    float* q = scratch.q + std::int64_t{r} * dim;
    if (center) scratch.shift[r] = dot(from, center, dim) * scale;
    for (std::int32_t i = 0; i < dim; ++i) q[i] = from[i] * (scale * turned);
    if (rotated) rotate(q, dim);
  }
  if (const auto pack = table.pack_queries[kv_form(b.job->kv.dtype)]) pack(scratch.q, b.rows, dim);
}

PageTask block_task(const RowBlock& b, const BlockScratch& scratch) {
  return {.k_dim = b.job->kv.k_dim,
          .v_dim = b.job->kv.v_dim,
          .rows = b.rows,
          .q = scratch.q,
          .shift = b.job->kv.k_center ? scratch.shift : nullptr,
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
  const std::int64_t k_offset = kv.k_offset + b.kv_head * kv_head_bytes(key_dtype(kv.dtype), kv.k_dim),
                     v_offset = kv.v_offset + b.kv_head * kv_head_bytes(kv.dtype, kv.v_dim);
  const auto in_page = [&](std::int32_t at, std::int64_t offset) {
    const std::int64_t place = kv.pages[static_cast<std::size_t>(at)];
    return reinterpret_cast<const std::uint8_t*>(kv.base + place * kv.page_stride + offset);
  };
  const std::int32_t next = walk.next(page + 1);
  task.k = in_page(page, k_offset);
  task.v = in_page(page, v_offset);
  task.next_k = in_page(next < walk.end() ? next : page, k_offset);
  task.next_v = in_page(next < walk.end() ? next : page, v_offset);
  return true;
}

}  // namespace heed
