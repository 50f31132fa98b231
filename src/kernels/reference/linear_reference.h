// linear_reference.h -- the oracle of linear attention: double precision, one token at a time, the state as the papers
// write it.
#pragma once
#include <vector>

#include "kernels/linear_attention.h"

namespace heed {

/// One sequence from position 0: q [n, heads, k_dim], k [n, kv_heads, k_dim], v [n, kv_heads, v_dim], log_decay and
/// write [n, kv_heads] where the kind has them. Returns [n, heads, v_dim].
std::vector<double> linear_reference(const LinearSpec& spec, std::int32_t n, const float* q, const float* k,
                                     const float* v, const float* log_decay, const float* write);

}  // namespace heed
