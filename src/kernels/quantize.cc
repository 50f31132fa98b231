// quantize.cc -- blocks of 32 by the extreme value alone. Layouts: GGUF specification; rounding: the `gguf` package.
#include "kernels/quantize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "kernels/dequantize.h"

namespace heed {
namespace {

constexpr std::int64_t kBlock = 32;

void put_half(std::byte* at, float value) noexcept {
  const std::uint16_t half = float_to_half(value);
  std::memcpy(at, &half, sizeof half);
}

float inverse(float d) noexcept { return d == 0.0f ? 0.0f : 1.0f / d; }

/// Values of 4 bits two a byte (i and i + 16), the fifth bits in 4 bytes before them.
void put_nibbles(const std::array<std::uint8_t, kBlock>& q, std::byte* at) noexcept {
  for (std::size_t i = 0; i < kBlock / 2; ++i)
    at[i] = static_cast<std::byte>((q[i] & 15) | ((q[i + kBlock / 2] & 15) << 4));
}

void put_fifth_bits(const std::array<std::uint8_t, kBlock>& q, std::byte* at) noexcept {
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < kBlock; ++i) bits |= static_cast<std::uint32_t>(q[i] >> 4) << i;
  std::memcpy(at, &bits, sizeof bits);
}

/// Q4_0, Q5_0: scale by the value farthest from zero, which becomes the lowest step.
void symmetric(const float* x, int steps, std::array<std::uint8_t, kBlock>& q, float& d) noexcept {
  float extreme = x[0];
  for (std::int64_t i = 1; i < kBlock; ++i)
    if (std::fabs(x[i]) > std::fabs(extreme)) extreme = x[i];
  const int half = steps / 2;
  d = extreme / static_cast<float>(-half);
  const double id = inverse(d);
  for (std::size_t i = 0; i < kBlock; ++i) {
    const auto value = static_cast<float>(std::trunc(double{x[i]} * id + (half + 0.5)));
    q[i] = static_cast<std::uint8_t>(std::clamp(value, 0.0f, static_cast<float>(steps - 1)));
  }
}

/// Q4_1, Q5_1: from the smallest to the largest value.
void from_minimum(const float* x, int steps, std::array<std::uint8_t, kBlock>& q, float& d, float& low) noexcept {
  const auto [min, max] = std::minmax_element(x, x + kBlock);
  low = *min;
  d = (*max - low) / static_cast<float>(steps - 1);
  const float id = inverse(d);
  for (std::size_t i = 0; i < kBlock; ++i) {
    const float value = std::trunc((x[i] - low) * id + 0.5f);
    q[i] = static_cast<std::uint8_t>(std::clamp(value, 0.0f, static_cast<float>(steps - 1)));
  }
}

void quantize_q4_0(const float* x, std::byte* block) noexcept {
  std::array<std::uint8_t, kBlock> q;
  float d = 0;
  symmetric(x, 16, q, d);
  put_half(block, d);
  put_nibbles(q, block + 2);
}

void quantize_q5_0(const float* x, std::byte* block) noexcept {
  std::array<std::uint8_t, kBlock> q;
  float d = 0;
  symmetric(x, 32, q, d);
  put_half(block, d);
  put_fifth_bits(q, block + 2);
  put_nibbles(q, block + 6);
}

void quantize_q4_1(const float* x, std::byte* block) noexcept {
  std::array<std::uint8_t, kBlock> q;
  float d = 0, low = 0;
  from_minimum(x, 16, q, d, low);
  put_half(block, d);
  put_half(block + 2, low);
  put_nibbles(q, block + 4);
}

void quantize_q5_1(const float* x, std::byte* block) noexcept {
  std::array<std::uint8_t, kBlock> q;
  float d = 0, low = 0;
  from_minimum(x, 32, q, d, low);
  put_half(block, d);
  put_half(block + 2, low);
  put_fifth_bits(q, block + 4);
  put_nibbles(q, block + 8);
}

void quantize_q8_0(const float* x, std::byte* block) noexcept {
  float extreme = 0;
  for (std::int64_t i = 0; i < kBlock; ++i) extreme = std::max(extreme, std::fabs(x[i]));
  const float d = extreme / 127.0f, id = inverse(d);
  put_half(block, d);
  for (std::int64_t i = 0; i < kBlock; ++i) {
    const float step = std::clamp(std::round(x[i] * id), -127.0f, 127.0f);
    block[2 + i] = static_cast<std::byte>(static_cast<std::int8_t>(std::isnan(step) ? 0.0f : step));
  }
}

void copy_f32(const float* x, std::byte* out) noexcept { std::memcpy(out, x, sizeof *x); }
void to_f16(const float* x, std::byte* out) noexcept { put_half(out, *x); }
void to_bf16(const float* x, std::byte* out) noexcept {
  const std::uint16_t bits = float_to_bf16(*x);
  std::memcpy(out, &bits, sizeof bits);
}

using QuantizeBlock = void (*)(const float* x, std::byte* block) noexcept;

constexpr auto kQuantizers = std::to_array<std::pair<DType, QuantizeBlock>>({
    {DType::f32, copy_f32},
    {DType::f16, to_f16},
    {DType::bf16, to_bf16},
    {DType::q8_0, quantize_q8_0},
    {DType::q4_0, quantize_q4_0},
    {DType::q4_1, quantize_q4_1},
    {DType::q5_0, quantize_q5_0},
    {DType::q5_1, quantize_q5_1},
    {DType::q4_k, quantize_q4_k},
    {DType::q5_k, quantize_q5_k},
    {DType::q6_k, quantize_q6_k},
});

QuantizeBlock quantizer_of(DType type) noexcept {
  for (const auto& [known, quantizer] : kQuantizers)
    if (known == type) return quantizer;
  return nullptr;
}

}  // namespace

bool can_quantize(DType type) noexcept { return quantizer_of(type) != nullptr; }

void quantize_row(DType type, const float* src, std::int64_t n, std::byte* dst) noexcept {
  const QuantizeBlock quantize = quantizer_of(type);
  if (!quantize) return;
  const DTypeInfo& kind = info(type);
  for (std::int64_t i = 0; i + kind.block <= n; i += kind.block, dst += kind.block_bytes) quantize(src + i, dst);
}

}  // namespace heed
