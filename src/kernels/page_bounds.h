// page_bounds.h -- a page of keys in 2 * k_dim numbers, and what a query's best key in it can be worth at most.
//
// Quest (Tang et al. 2024): with max and min of each key dimension over a page, q . k <= sum_d max(q_d max_d, q_d
// min_d) = q+ . max + q- . min, where q+ and q- are the query's positive and negative parts: one dot product a page.
#pragma once
#include "kernels/attention.h"

namespace heed {

/// bounds [2 * k_dim]: the greatest, then the least value of each dimension over the 64 stored keys of page `page` of
/// the sequence, KV head `kv_head`, as they are stored: rotated where is_integer_kv(kv.dtype).
void page_bounds(const KvView& kv, std::int32_t page, std::int32_t kv_head, float* bounds);

}  // namespace heed
