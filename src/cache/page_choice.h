// page_choice.h -- top-k pages: for each query and KV head, the pages whose summaries promise most.
#pragma once
#include "cache/attention_policy.h"
#include "cache/kv_cache.h"
#include "kernels/exec.h"

namespace heed {

/// What the choice needs of one layer and sequence.
struct PageChoiceInput {
  const PagePool* pool = nullptr;
  std::int32_t layer = 0;
  std::span<const std::int32_t> pages;  // of the sequence
  const float* q = nullptr;             // [q_len, heads, k_dim], rows q_stride floats apart
  std::int64_t q_stride = 0;
  std::int32_t q_len = 0, first_pos = 0;
  std::int32_t heads = 1, kv_heads = 1, k_dim = 0;
  float scale = 1.0f;
};

/// One list row per query and KV head: the pages of the sinks, those of the window, and the best `budget` tokens' worth
/// of those between, which are full and summarized. A row depends on its own query alone. The list lives in the arena.
/// A page's worth to a KV head: over the query heads that share it, the least that its bound stays below the best
/// page's bound of that head, so that a head with large scores does not speak for all.
Expected<const BlockList*> choose_pages(const AttentionPolicy& policy, const PageChoiceInput& input, Exec& exec);

}  // namespace heed
