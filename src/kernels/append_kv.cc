// append_kv.cc -- keys and values enter their pages: rounded and packed once, read many times.
#include <cstring>

#include "kernels/attention.h"
#include "kernels/dequantize.h"

namespace heed {
namespace {

// One token of one head. Layouts: attention.h.
void put_f32(std::byte* keys, std::byte* values, std::int64_t t, const float* k, std::int64_t k_dim, const float* v,
             std::int64_t v_dim) {
  auto* key = reinterpret_cast<float*>(keys) + t;
  for (std::int64_t d = 0; d < k_dim; ++d) key[d * kPageTokens] = k[d];
  std::memcpy(reinterpret_cast<float*>(values) + t * v_dim, v, static_cast<std::size_t>(v_dim) * sizeof(float));
}

// One value too large for a half must not become an infinity that poisons every later score.
std::uint16_t to_half(float x) {
  constexpr float kLargest = 65504.0f;
  return float_to_half(x > kLargest ? kLargest : x < -kLargest ? -kLargest : x);
}

void put_f16(std::byte* keys, std::byte* values, std::int64_t t, const float* k, std::int64_t k_dim, const float* v,
             std::int64_t v_dim) {
  auto* key = reinterpret_cast<std::uint16_t*>(keys) + t;
  for (std::int64_t d = 0; d < k_dim; ++d) key[d * kPageTokens] = to_half(k[d]);
  auto* value = reinterpret_cast<std::uint16_t*>(values) + t * v_dim;
  for (std::int64_t d = 0; d < v_dim; ++d) value[d] = to_half(v[d]);
}

void put_bf16(std::byte* keys, std::byte* values, std::int64_t t, const float* k, std::int64_t k_dim, const float* v,
              std::int64_t v_dim) {
  auto* key = reinterpret_cast<std::uint16_t*>(keys) + 2 * t;
  for (std::int64_t d = 0; d < k_dim; d += 2) {
    key[d * kPageTokens] = float_to_bf16(k[d]);
    key[d * kPageTokens + 1] = float_to_bf16(k[d + 1]);
  }
  auto* value = reinterpret_cast<std::uint16_t*>(values) + t / 2 * v_dim * 2 + t % 2;
  for (std::int64_t d = 0; d < v_dim; ++d) value[2 * d] = float_to_bf16(v[d]);
}

}  // namespace

void append_kv(const KvView& kv, std::int32_t first, std::int32_t n, const float* k, std::int64_t k_stride,
               const float* v, std::int64_t v_stride, Exec& exec) {
  constexpr std::int64_t kTokensPerTask = 32;
  const std::int64_t size = info(kv.dtype).block_bytes;
  const auto put = kv.dtype == DType::f32 ? put_f32 : kv.dtype == DType::f16 ? put_f16 : put_bf16;
  exec.pool.parallel_for(n, kTokensPerTask, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t position = first + i;
      std::byte* page = kv.base + kv.pages[static_cast<std::size_t>(position / kPageTokens)] * kv.page_stride;
      for (std::int64_t h = 0; h < kv.kv_heads; ++h)
        put(page + kv.k_offset + h * kPageTokens * kv.k_dim * size,
            page + kv.v_offset + h * kPageTokens * kv.v_dim * size, position % kPageTokens,
            k + i * k_stride + h * kv.k_dim, kv.k_dim, v + i * v_stride + h * kv.v_dim, kv.v_dim);
    }
  });
}

}  // namespace heed
