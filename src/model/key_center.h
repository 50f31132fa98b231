// key_center.h -- what all keys of a head have in common, so that pages need not store it.
#pragma once
#include <vector>

#include "kernels/rope.h"

namespace heed {

/// The mean of the rotated key bias [kv_heads * head_dim] over the first 4096 positions: what turns fast with the
/// position cancels, what hardly turns (Qwen 2.5 has its large biases there) stays. See KvView::k_center.
std::vector<float> key_center(const RopeSpec& rope, std::int32_t head_dim, const std::vector<float>& bias);

}  // namespace heed
