// dequantize.cc -- block formats decoded one value at a time, in the order of operations of the Python `gguf` package
// (coded.cc has those whose bits are codes).
#include "kernels/dequantize.h"

#include <cstring>

#include "kernels/coded.h"

namespace heed {
namespace {

using Bytes = const unsigned char*;

template <class T>
T load(const void* p) noexcept {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

float load_half(Bytes p) noexcept { return half_to_float(load<std::uint16_t>(p)); }
float signed_byte(unsigned char c) noexcept { return static_cast<float>(static_cast<signed char>(c)); }

// 32-value blocks: value i < 16 is the low nibble of byte i, value i + 16 its high nibble.

// half d | 16 bytes of nibbles
void q4_0(Bytes block, float* out) noexcept {
  const float d = load_half(block);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>((block[2 + i] & 15) - 8);
    out[i + 16] = d * static_cast<float>((block[2 + i] >> 4) - 8);
  }
}

// half d | half min | 16 bytes of nibbles
void q4_1(Bytes block, float* out) noexcept {
  const float d = load_half(block), m = load_half(block + 2);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>(block[4 + i] & 15) + m;
    out[i + 16] = d * static_cast<float>(block[4 + i] >> 4) + m;
  }
}

// half d | 32 fifth bits | 16 bytes of nibbles
void q5_0(Bytes block, float* out) noexcept {
  const float d = load_half(block);
  const auto high = load<std::uint32_t>(block + 2);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>((block[6 + i] & 15) + static_cast<int>((high >> i & 1) << 4) - 16);
    out[i + 16] = d * static_cast<float>((block[6 + i] >> 4) + static_cast<int>((high >> (i + 16) & 1) << 4) - 16);
  }
}

// half d | half min | 32 fifth bits | 16 bytes of nibbles
void q5_1(Bytes block, float* out) noexcept {
  const float d = load_half(block), m = load_half(block + 2);
  const auto high = load<std::uint32_t>(block + 4);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>((block[8 + i] & 15) + static_cast<int>((high >> i & 1) << 4)) + m;
    out[i + 16] = d * static_cast<float>((block[8 + i] >> 4) + static_cast<int>((high >> (i + 16) & 1) << 4)) + m;
  }
}

// half d | 32 signed bytes
void q8_0(Bytes block, float* out) noexcept {
  const float d = load_half(block);
  for (int i = 0; i < 32; ++i) out[i] = signed_byte(block[2 + i]) * d;
}

// A run of 16 values of a 256-value block: its bytes and how far its field stands above bit 0.
struct Run {
  Bytes bytes;
  int shift;
};

// 2-bit fields: bytes [2][32], each holding four fields 32 values apart.
Run two_bit_run(Bytes quants, int k) noexcept { return {quants + k / 8 * 32 + k % 2 * 16, k / 2 % 4 * 2}; }

// 16 bytes scale (low) and min (high) nibbles | 64 bytes of 2-bit fields | half d | half dmin
void q2_k(Bytes block, float* out) noexcept {
  const float d = load_half(block + 80), dmin = load_half(block + 82);
  for (int k = 0; k < 16; ++k) {
    const float dl = d * static_cast<float>(block[k] & 15), ml = dmin * static_cast<float>(block[k] >> 4);
    const Run run = two_bit_run(block + 16, k);
    for (int i = 0; i < 16; ++i) out[16 * k + i] = dl * static_cast<float>(run.bytes[i] >> run.shift & 3) - ml;
  }
}

// 32 bytes of inverted third bits | 64 bytes of 2-bit fields | 12 bytes of 6-bit scales | half d
void q3_k(Bytes block, float* out) noexcept {
  const float d = load_half(block + 108);
  const Bytes scales = block + 96;
  for (int k = 0; k < 16; ++k) {
    const int low = k < 8 ? scales[k] & 15 : scales[k - 8] >> 4;
    const int high = scales[8 + k % 4] >> (k / 4 * 2) & 3;
    const float dl = d * static_cast<float>((low | high << 4) - 32);
    const Run run = two_bit_run(block + 32, k);
    const Bytes inverted = block + k % 2 * 16;
    for (int i = 0; i < 16; ++i) {
      const int third = inverted[i] >> (k / 2) & 1;
      out[16 * k + i] = dl * static_cast<float>((run.bytes[i] >> run.shift & 3) + 4 * third - 4);
    }
  }
}

struct ScaleMin {
  float scale, min;
};

// Q4_K and Q5_K: eight 6-bit scales and eight 6-bit minima in 12 bytes; the last four of each borrow top bits.
ScaleMin scale_min(Bytes packed, int k) noexcept {
  if (k < 4) return {static_cast<float>(packed[k] & 63), static_cast<float>(packed[k + 4] & 63)};
  const int scale = (packed[k + 4] & 15) | (packed[k - 4] >> 2 & 48);
  const int min = packed[k + 4] >> 4 | (packed[k] >> 2 & 48);
  return {static_cast<float>(scale), static_cast<float>(min)};
}

// half d | half dmin | 12 bytes of scales and minima | 128 bytes of nibbles
void q4_k(Bytes block, float* out) noexcept {
  const float d = load_half(block), dmin = load_half(block + 2);
  for (int k = 0; k < 8; ++k) {
    const ScaleMin s = scale_min(block + 4, k);
    const float scaled = d * s.scale, offset = dmin * s.min;
    const Bytes nibbles = block + 16 + k / 2 * 32;
    const int shift = k % 2 * 4;
    for (int i = 0; i < 32; ++i) out[32 * k + i] = scaled * static_cast<float>(nibbles[i] >> shift & 15) - offset;
  }
}

// half d | half dmin | 12 bytes of scales and minima | 32 bytes of fifth bits | 128 bytes of nibbles
void q5_k(Bytes block, float* out) noexcept {
  const float d = load_half(block), dmin = load_half(block + 2);
  for (int k = 0; k < 8; ++k) {
    const ScaleMin s = scale_min(block + 4, k);
    const float scaled = d * s.scale, offset = dmin * s.min;
    const Bytes nibbles = block + 48 + k / 2 * 32;
    const int shift = k % 2 * 4;
    for (int i = 0; i < 32; ++i) {
      const int quant = (nibbles[i] >> shift & 15) + (block[16 + i] >> k & 1) * 16;
      out[32 * k + i] = scaled * static_cast<float>(quant) - offset;
    }
  }
}

// 128 bytes of nibbles [2][64] | 64 bytes of 2-bit fields | 16 signed scales | half d
void q6_k(Bytes block, float* out) noexcept {
  const float d = load_half(block + 208);
  for (int k = 0; k < 16; ++k) {
    const float scaled = d * signed_byte(block[192 + k]);
    const Run high = two_bit_run(block + 128, k);
    const Run low{block + k / 8 * 64 + k % 4 * 16, k / 4 % 2 * 4};
    for (int i = 0; i < 16; ++i) {
      const int quant = (low.bytes[i] >> low.shift & 15) + (high.bytes[i] >> high.shift & 3) * 16 - 32;
      out[16 * k + i] = scaled * static_cast<float>(quant);
    }
  }
}

template <class T>
void numbers(const std::byte* src, std::int64_t n, float* dst) noexcept {
  for (std::int64_t i = 0; i < n; ++i) dst[i] = static_cast<float>(load<T>(src + i * std::int64_t{sizeof(T)}));
}

void i4(Bytes block, float* out) noexcept {
  out[0] = static_cast<float>(static_cast<std::int8_t>(block[0] << 4) >> 4);
  out[1] = static_cast<float>(static_cast<std::int8_t>(block[0]) >> 4);
}

void blocks(const DTypeInfo& type, void (*decode)(Bytes, float*) noexcept, const std::byte* src, std::int64_t n,
            float* dst) noexcept {
  const auto* bytes = reinterpret_cast<Bytes>(src);
  for (std::int64_t i = 0; i < n / type.block; ++i) decode(bytes + i * type.block_bytes, dst + i * type.block);
}

void coded(const DTypeInfo& type, DecodeUnit decode, const std::byte* src, std::int64_t n, float* dst) noexcept {
  const int units = type.block / 32;
  for (std::int64_t u = 0; u < n / 32; ++u, dst += 32) {
    CodedUnit unit;
    decode(src + u / units * type.block_bytes, static_cast<int>(u % units), unit);
    for (int half = 0; half < 2; ++half) {
      const float scale = unit.factor * static_cast<float>(unit.scale[half]);
      for (int i = 16 * half; i < 16 * half + 16; ++i) dst[i] = scale * static_cast<float>(unit.number[i]);
    }
  }
}

}  // namespace

void dequantize_row(DType type, const std::byte* src, std::int64_t n, float* dst) noexcept {
  const DTypeInfo& kind = info(type);
  const auto* bytes = reinterpret_cast<Bytes>(src);
  switch (type) {
    case DType::f32:
      if (n > 0) std::memcpy(dst, src, static_cast<std::size_t>(n) * sizeof(float));
      return;
    case DType::f16:
      for (std::int64_t i = 0; i < n; ++i) dst[i] = load_half(bytes + 2 * i);
      return;
    case DType::bf16:
      for (std::int64_t i = 0; i < n; ++i) dst[i] = bf16_to_float(load<std::uint16_t>(bytes + 2 * i));
      return;
    case DType::f64:
      return numbers<double>(src, n, dst);
    case DType::i8:
      return numbers<std::int8_t>(src, n, dst);
    case DType::i16:
      return numbers<std::int16_t>(src, n, dst);
    case DType::i32:
      return numbers<std::int32_t>(src, n, dst);
    case DType::i64:
      return numbers<std::int64_t>(src, n, dst);
    case DType::q4_0:
      return blocks(kind, q4_0, src, n, dst);
    case DType::q4_1:
      return blocks(kind, q4_1, src, n, dst);
    case DType::q5_0:
      return blocks(kind, q5_0, src, n, dst);
    case DType::q5_1:
      return blocks(kind, q5_1, src, n, dst);
    case DType::q8_0:
      return blocks(kind, q8_0, src, n, dst);
    case DType::q2_k:
      return blocks(kind, q2_k, src, n, dst);
    case DType::q3_k:
      return blocks(kind, q3_k, src, n, dst);
    case DType::q4_k:
      return blocks(kind, q4_k, src, n, dst);
    case DType::q5_k:
      return blocks(kind, q5_k, src, n, dst);
    case DType::q6_k:
      return blocks(kind, q6_k, src, n, dst);
    case DType::i4:
      return blocks(kind, i4, src, n, dst);
    default:
      return coded(kind, coded_decoder(type), src, n, dst);
  }
}

float half_to_float(std::uint16_t h) noexcept {
  const std::uint32_t sign = std::uint32_t{h} >> 15 << 31, exponent = h >> 10 & 31u, mantissa = h & 0x3FFu;
  if (exponent == 0) {  // zero and subnormals: mantissa * 2^-24, exact
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return sign != 0 ? -magnitude : magnitude;
  }
  std::uint32_t bits = sign | (exponent + 112) << 23 | mantissa << 13;
  if (exponent == 31) bits = sign | 0x7F800000u | mantissa << 13 | (mantissa != 0 ? 0x400000u : 0u);  // NaN gets quiet
  return load<float>(&bits);
}

std::uint16_t float_to_half(float f) noexcept {
  const auto bits = load<std::uint32_t>(&f);
  const std::uint32_t sign = bits >> 31 << 15, magnitude = bits & 0x7FFFFFFFu;
  std::uint32_t half = 0;
  if (magnitude > 0x7F800000u) {
    half = 0x7E00u | (magnitude >> 13 & 0x3FFu);
  } else if (magnitude >= 0x477FF000u) {  // 65520 is the first that rounds to infinity
    half = 0x7C00u;
  } else if (magnitude < 0x38800000u) {  // below 2^-14: adding 0.5 leaves units of 2^-24, rounded to even
    const float shifted = load<float>(&magnitude) + 0.5f;
    half = load<std::uint32_t>(&shifted) - 0x3F000000u;
  } else {
    half = (magnitude - (112u << 23) + 0xFFFu + (magnitude >> 13 & 1u)) >> 13;
  }
  return static_cast<std::uint16_t>(sign | half);
}

std::uint16_t float_to_bf16(float f) noexcept {
  const auto bits = load<std::uint32_t>(&f);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return static_cast<std::uint16_t>(bits >> 16 | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
}

}  // namespace heed
