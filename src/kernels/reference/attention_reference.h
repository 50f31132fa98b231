// attention_reference.h -- the oracle of attention: double precision, one pair at a time, its own rule of visibility.
#pragma once
#include <vector>

#include "kernels/attention.h"

namespace heed {

/// One sequence with plain keys and values: no pages, no packing.
struct ReferenceJob {
  const float* q = nullptr;  // [q_len, heads, k_dim], rows q_stride floats apart
  std::int64_t q_stride = 0;
  std::int32_t q_len = 0, first_pos = 0;
  const float* k = nullptr;  // [length, kv_heads, k_dim]
  const float* v = nullptr;  // [length, kv_heads, v_dim]
  std::int32_t length = 0, k_dim = 0, v_dim = 0;
};

struct ReferenceResult {
  std::vector<double> out;    // [q_len, heads, v_dim]
  std::vector<double> lse;    // [q_len, heads]
  std::vector<double> probs;  // [heads, q_len, length]
};

/// Does a query at position `query` see the key at position `key` of this KV head?
bool reference_sees(const Mask& mask, std::int32_t query, std::int32_t key, std::int32_t kv_head);
ReferenceResult attention_reference(const AttentionSpec& spec, const ReferenceJob& job);

}  // namespace heed
