// append_kv.cc -- keys and values enter their pages: rotated, rounded and packed once, read many times.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "kernels/attention.h"
#include "kernels/dequantize.h"
#include "kernels/rotation.h"

namespace heed {
namespace {

// One token's place among the keys or values of one head of a page. Layouts: attention.h.
struct Place {
  std::byte* head;
  std::int64_t token, dim;
};

// Where value d of the place stands: keys [dim][64], values [64][dim].
struct Lines {
  std::int64_t first, step;
};
Lines key_lines(const Place& p) { return {p.token, kPageTokens}; }
Lines value_lines(const Place& p) { return {p.token * p.dim, 1}; }

// Pairs of neighbours side by side: dims of keys [dim/2][64][2], tokens of values [32][dim][2].
std::int64_t key_in_pairs(const Place& p, std::int64_t d) { return (d / 2 * kPageTokens + p.token) * 2 + d % 2; }
std::int64_t value_in_pairs(const Place& p, std::int64_t d) { return (p.token / 2 * p.dim + d) * 2 + p.token % 2; }

// One value too large for a half must not become an infinity that poisons every later score.
std::uint16_t to_half(float x) {
  constexpr float kLargest = 65504.0f;
  return float_to_half(x > kLargest ? kLargest : x < -kLargest ? -kLargest : x);
}

void put_f32(const Place& p, Lines at, const float* x) {
  auto* to = reinterpret_cast<float*>(p.head) + at.first;
  for (std::int64_t d = 0; d < p.dim; ++d) to[d * at.step] = x[d];
}

void put_f16(const Place& p, Lines at, const float* x) {
  auto* to = reinterpret_cast<std::uint16_t*>(p.head) + at.first;
  for (std::int64_t d = 0; d < p.dim; ++d) to[d * at.step] = to_half(x[d]);
}

template <class InPairs>
void put_bf16(const Place& p, const float* x, InPairs in_pairs) {
  auto* to = reinterpret_cast<std::uint16_t*>(p.head);
  for (std::int64_t d = 0; d < p.dim; ++d) to[in_pairs(p, d)] = float_to_bf16(x[d]);
}

// The scale is rounded first, so that the integers are right for what is stored. What is no number becomes 0.
template <int kBits, class InPairs>
void put_integers(const Place& p, const float* x, InPairs in_pairs) {
  constexpr int kMost = (1 << (kBits - 1)) - 1;
  constexpr float kLevels = kMost;
  float top = 0;
  for (std::int64_t d = 0; d < p.dim; ++d) top = std::max(top, std::fabs(x[d]));
  const std::uint16_t half = to_half(top / kLevels);
  const float scale = half_to_float(half), inverse = scale > 0 ? 1.0f / scale : 0.0f;
  auto* scales = p.head + kPageTokens * p.dim * kBits / 8;
  std::memcpy(scales + 2 * p.token, &half, sizeof half);
  for (std::int64_t d = 0; d < p.dim; ++d) {
    const float level = std::nearbyint(x[d] * inverse);
    const int q = level >= -kLevels ? static_cast<int>(std::min(level, kLevels)) : level < 0 ? -kMost : 0;
    const std::int64_t at = in_pairs(p, d);
    if constexpr (kBits == 8) {
      p.head[at] = static_cast<std::byte>(q);
    } else {
      const int shift = at % 2 == 0 ? 0 : 4;
      std::byte& two = p.head[at / 2];
      two = (two & ~(std::byte{15} << shift)) | (static_cast<std::byte>(q & 15) << shift);
    }
  }
}

void put_key(DType type, const Place& p, const float* x, const float* center) {
  std::array<float, kMostHeadDim> key;
  std::copy_n(x, p.dim, key.begin());
  if (center)
    for (std::int64_t d = 0; d < p.dim; ++d) key[static_cast<std::size_t>(d)] -= center[d];
  if (is_integer_kv(type)) rotate(key.data(), p.dim);
  if (type == DType::f32) return put_f32(p, key_lines(p), key.data());
  if (type == DType::f16) return put_f16(p, key_lines(p), key.data());
  if (type == DType::i8) return put_integers<8>(p, key.data(), key_in_pairs);
  put_bf16(p, key.data(), key_in_pairs);
}

void put_value(DType type, const Place& p, const float* x) {
  if (type == DType::f32) return put_f32(p, value_lines(p), x);
  if (type == DType::f16) return put_f16(p, value_lines(p), x);
  if (type == DType::bf16) return put_bf16(p, x, value_in_pairs);
  std::array<float, kMostHeadDim> turned;
  std::copy_n(x, p.dim, turned.begin());
  rotate(turned.data(), p.dim);
  if (type == DType::i8) return put_integers<8>(p, turned.data(), value_in_pairs);
  put_integers<4>(p, turned.data(), value_in_pairs);
}

}  // namespace

const DType* kv_dtype_named(std::string_view name) noexcept {
  struct Named {
    std::string_view name;
    DType type;
  };
  static constexpr Named kNames[] = {
      {"bf16", DType::bf16}, {"f16", DType::f16}, {"f32", DType::f32}, {"int8", DType::i8}, {"int4", DType::i4}};
  for (const Named& n : kNames)
    if (n.name == name) return &n.type;
  return nullptr;
}

void append_kv(const KvView& kv, std::int32_t first, std::int32_t n, const float* k, std::int64_t k_stride,
               const float* v, std::int64_t v_stride, Exec& exec) {
  constexpr std::int64_t kTokensPerTask = 32;  // even: two tokens' values share a byte in i4
  const std::int64_t k_bytes = kv_head_bytes(key_dtype(kv.dtype), kv.k_dim),
                     v_bytes = kv_head_bytes(kv.dtype, kv.v_dim);
  const std::int32_t lead = std::min(n, first % 2);
  const auto put = [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t position = first + i, token = position % kPageTokens;
      std::byte* page = kv.base + kv.pages[static_cast<std::size_t>(position / kPageTokens)] * kv.page_stride;
      for (std::int64_t h = 0; h < kv.kv_heads; ++h) {
        put_key(key_dtype(kv.dtype), {page + kv.k_offset + h * k_bytes, token, kv.k_dim},
                k + i * k_stride + h * kv.k_dim, kv.k_center ? kv.k_center + h * kv.k_dim : nullptr);
        put_value(kv.dtype, {page + kv.v_offset + h * v_bytes, token, kv.v_dim}, v + i * v_stride + h * kv.v_dim);
      }
    }
  };
  put(0, lead);  // an odd first token: tasks begin at even ones
  exec.pool.parallel_for(n - lead, kTokensPerTask,
                         [&](std::int64_t begin, std::int64_t end, int) { put(lead + begin, lead + end); });
}

}  // namespace heed
