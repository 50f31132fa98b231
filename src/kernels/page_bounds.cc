// page_bounds.cc -- read once per page, when it is full.
#include "kernels/page_bounds.h"

#include <algorithm>
#include <array>

#include "kernels/dequantize.h"

namespace heed {
namespace {

// One key dimension of a page. Layouts: attention.h.
float key_at(DType type, const std::byte* keys, std::int64_t d, std::int64_t t) {
  const auto* halves = reinterpret_cast<const std::uint16_t*>(keys);
  if (type == DType::f32) return reinterpret_cast<const float*>(keys)[d * kPageTokens + t];
  if (type == DType::f16) return half_to_float(halves[d * kPageTokens + t]);
  const std::int64_t in_pairs = (d / 2 * kPageTokens + t) * 2 + d % 2;
  if (type == DType::bf16) return bf16_to_float(halves[in_pairs]);
  return static_cast<float>(static_cast<std::int8_t>(keys[in_pairs]));
}

}  // namespace

void page_bounds(const KvView& kv, std::int32_t page, std::int32_t kv_head, float* bounds) {
  const DType type = key_dtype(kv.dtype);
  const std::int64_t head_bytes = kv_head_bytes(type, kv.k_dim);
  const std::byte* keys =
      kv.base + kv.pages[static_cast<std::size_t>(page)] * kv.page_stride + kv.k_offset + kv_head * head_bytes;
  std::array<float, kPageTokens> scale;
  scale.fill(1.0f);
  if (is_integer_kv(type)) {
    const auto* halves = reinterpret_cast<const std::uint16_t*>(keys + kPageTokens * row_bytes(type, kv.k_dim));
    std::transform(halves, halves + kPageTokens, scale.begin(), half_to_float);
  }
  for (std::int64_t d = 0; d < kv.k_dim; ++d) {
    float high = key_at(type, keys, d, 0) * scale[0], low = high;
    for (std::int64_t t = 1; t < kPageTokens; ++t) {
      const float x = key_at(type, keys, d, t) * scale[static_cast<std::size_t>(t)];
      high = std::max(high, x);
      low = std::min(low, x);
    }
    bounds[d] = high;
    bounds[kv.k_dim + d] = low;
  }
}

}  // namespace heed
