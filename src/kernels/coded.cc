// coded.cc -- block layouts of the GGUF specification (ggml-quants); every index is within its grid by its bits.
#include "kernels/coded.h"

#include <bit>
#include <cstring>

#include "kernels/dequantize.h"
#include "kernels/lattice_values.h"

namespace heed {
namespace {

using Bytes = const std::byte*;

unsigned byte_at(Bytes p) noexcept { return static_cast<unsigned>(*p); }
unsigned word_at(Bytes p) noexcept {
  std::uint16_t w;
  std::memcpy(&w, p, sizeof w);
  return w;
}
float half_at(Bytes p) noexcept { return half_to_float(static_cast<std::uint16_t>(word_at(p))); }

void set_scales(CodedUnit& out, int first, int second) noexcept {
  out.scale[0] = static_cast<std::int8_t>(first), out.scale[1] = static_cast<std::int8_t>(second);
}

// 16 bytes of nibbles: value i is the low one of byte i, value i + 16 its high one.
void nibbles(Bytes p, const std::int8_t (&values)[16], CodedUnit& out) noexcept {
  for (int i = 0; i < 16; ++i) {
    out.number[i] = values[byte_at(p + i) & 15];
    out.number[i + 16] = values[byte_at(p + i) >> 4];
  }
}

// half d | 16 bytes of nibbles
void iq4_nl(Bytes block, int, CodedUnit& out) noexcept {
  out.factor = half_at(block);
  set_scales(out, 1, 1);
  nibbles(block + 2, kIq4Values, out);
}

// half d | 8 high pairs of bits of scales | 4 bytes of their low nibbles | 128 bytes of nibbles
void iq4_xs(Bytes block, int unit, CodedUnit& out) noexcept {
  out.factor = half_at(block);
  const unsigned low = byte_at(block + 4 + unit / 2) >> (unit % 2 * 4) & 15, high = word_at(block + 2) >> 2 * unit & 3;
  const int scale = static_cast<int>(low | high << 4) - 32;
  set_scales(out, scale, scale);
  nibbles(block + 8 + 16 * unit, kIq4Values, out);
}

// exponent e | 16 bytes of nibbles; the numbers are doubled, so the factor is 2^(e - 128)
void mxfp4(Bytes block, int, CodedUnit& out) noexcept {
  const unsigned e = byte_at(block);
  out.factor = std::bit_cast<float>(e < 2 ? 0x00200000u << e : (e - 1) << 23);
  set_scales(out, 1, 1);
  nibbles(block + 1, kFp4Values, out);
}

// Bit i of `negative`: number i counts from zero down.
template <int kValues>
void eight_numbers(unsigned point, const std::int8_t (&values)[kValues], unsigned negative, std::int8_t* out) noexcept {
  for (int i = 0; i < 8; ++i) {
    const std::int8_t value = values[point >> 2 * i & 3];
    out[i] = static_cast<std::int8_t>((negative >> i & 1) != 0 ? -value : value);
  }
}
void four_numbers(unsigned point, const std::int8_t (&values)[8], unsigned negative, std::int8_t* out) noexcept {
  for (int i = 0; i < 4; ++i) {
    const std::int8_t value = values[point >> 4 * i & 7];
    out[i] = static_cast<std::int8_t>((negative >> i & 1) != 0 ? -value : value);
  }
}
// Seven signs are stored, and an even number of the eight is negative.
unsigned eight_signs(unsigned seven) noexcept { return seven | (static_cast<unsigned>(std::popcount(seven)) & 1) << 7; }
unsigned bits_of_scale(unsigned s) noexcept { return 2 * s + 1; }  // s + 1/2, doubled

// half d | 8 x (4 indices of points | 4 x 7 signs | 4 bits of scale)
void iq2_xxs(Bytes block, int unit, CodedUnit& out) noexcept {
  out.factor = half_at(block) * 0.125f;
  const Bytes points = block + 2 + 8 * unit;
  const unsigned rest = word_at(points + 4) | word_at(points + 6) << 16;
  const auto scale = static_cast<int>(bits_of_scale(rest >> 28));
  set_scales(out, scale, scale);
  for (int i = 0; i < 4; ++i)
    eight_numbers(kIq2XxsGrid[byte_at(points + i)], kIq2Values, eight_signs(rest >> 7 * i & 127), out.number + 8 * i);
}

void two_scales(unsigned nibble_pair, CodedUnit& out) noexcept {
  set_scales(out, static_cast<int>(bits_of_scale(nibble_pair & 15)), static_cast<int>(bits_of_scale(nibble_pair >> 4)));
}

// half d | 32 x (9 bits of index | 7 signs) | 8 pairs of scales
void iq2_xs(Bytes block, int unit, CodedUnit& out) noexcept {
  out.factor = half_at(block) * 0.125f;
  two_scales(byte_at(block + 66 + unit), out);
  for (int i = 0; i < 4; ++i) {
    const unsigned word = word_at(block + 2 + 8 * unit + 2 * i);
    eight_numbers(kIq2XsGrid[word & 511], kIq2Values, eight_signs(word >> 9), out.number + 8 * i);
  }
}

// half d | 32 low bytes of indices | 32 bytes of signs | 8 x 4 high pairs of bits | 8 pairs of scales
void iq2_s(Bytes block, int unit, CodedUnit& out) noexcept {
  out.factor = half_at(block) * 0.125f;
  two_scales(byte_at(block + 74 + unit), out);
  const unsigned high = byte_at(block + 66 + unit);
  for (int i = 0; i < 4; ++i) {
    const unsigned index = byte_at(block + 2 + 4 * unit + i) | (high >> 2 * i & 3) << 8;
    eight_numbers(kIq2SGrid[index], kIq2Values, byte_at(block + 34 + 4 * unit + i), out.number + 8 * i);
  }
}

// half d | 64 indices | 8 x (4 x 7 signs | 4 bits of scale)
void iq3_xxs(Bytes block, int unit, CodedUnit& out) noexcept {
  out.factor = half_at(block) * 0.25f;
  const unsigned rest = word_at(block + 66 + 4 * unit) | word_at(block + 68 + 4 * unit) << 16;
  const auto scale = static_cast<int>(bits_of_scale(rest >> 28));
  set_scales(out, scale, scale);
  for (int i = 0; i < 8; ++i) {
    const unsigned negative = eight_signs(rest >> 7 * (i / 2) & 127) >> 4 * (i % 2);
    four_numbers(kIq3XxsGrid[byte_at(block + 2 + 8 * unit + i)], kIq3XxsValues, negative, out.number + 4 * i);
  }
}

// half d | 64 low bytes of indices | 8 x 8 ninth bits | 32 bytes of signs | 8 nibbles of scales
void iq3_s(Bytes block, int unit, CodedUnit& out) noexcept {
  out.factor = half_at(block);
  const auto scale = static_cast<int>(bits_of_scale(byte_at(block + 106 + unit / 2) >> (unit % 2 * 4) & 15));
  set_scales(out, scale, scale);
  const unsigned high = byte_at(block + 66 + unit);
  for (int i = 0; i < 8; ++i) {
    const unsigned index = byte_at(block + 2 + 8 * unit + i) | (high >> i & 1) << 8;
    const unsigned negative = byte_at(block + 74 + 4 * unit + i / 2) >> 4 * (i % 2);
    four_numbers(kIq3SGrid[index], kIq3SValues, negative, out.number + 4 * i);
  }
}

// -1, 0 or 1, an eighth above or below: in eighths.
void eight_ternary(unsigned point, bool is_below, std::int8_t* out) noexcept {
  for (int i = 0; i < 8; ++i) {
    const int ternary = static_cast<int>(point >> 2 * i & 3) - 1;
    out[i] = static_cast<std::int8_t>(8 * ternary + (is_below ? -1 : 1));
  }
}

// half d | 32 low bytes of indices | 8 x (4 x 3 high bits | 3 bits of scale | below)
void iq1_s(Bytes block, int unit, CodedUnit& out) noexcept {
  out.factor = half_at(block) * 0.125f;
  const unsigned high = word_at(block + 34 + 2 * unit);
  const auto scale = static_cast<int>(bits_of_scale(high >> 12 & 7));
  set_scales(out, scale, scale);
  for (int i = 0; i < 4; ++i) {
    const unsigned index = byte_at(block + 2 + 4 * unit + i) | (high >> 3 * i & 7) << 8;
    eight_ternary(kIq1SGrid[index], high >> 15 != 0, out.number + 8 * i);
  }
}

// 32 low bytes of indices | 32 x (3 high bits | below) | 4 x (4 x 3 bits of scale | a nibble of half d)
void iq1_m(Bytes block, int unit, CodedUnit& out) noexcept {
  unsigned d = 0;
  for (int i = 0; i < 4; ++i) d |= word_at(block + 48 + 2 * i) >> 12 << 4 * i;
  out.factor = half_to_float(static_cast<std::uint16_t>(d)) * 0.125f;
  const unsigned scales = word_at(block + 48 + unit / 2 * 2) >> (unit % 2 * 6);
  set_scales(out, static_cast<int>(bits_of_scale(scales & 7)), static_cast<int>(bits_of_scale(scales >> 3 & 7)));
  for (int i = 0; i < 4; ++i) {
    const unsigned high = byte_at(block + 32 + 2 * unit + i / 2) >> (i % 2 * 4);
    const unsigned index = byte_at(block + 4 * unit + i) | (high & 7) << 8;
    eight_ternary(kIq1SGrid[index], (high & 8) != 0, out.number + 8 * i);
  }
}

// Digit `place` of five (81, 27, 9, 3, 1) that a byte holds as a fraction of 256, less one.
std::int8_t digit(Bytes p, int place) noexcept {
  constexpr unsigned kPowers[5] = {1, 3, 9, 27, 81};
  return static_cast<std::int8_t>(static_cast<int>((byte_at(p) * kPowers[place] & 255) * 3 / 256) - 1);
}

// 32 bytes of 5 digits, 32 values apart | 16 bytes of 5, 16 apart | 4 bytes of 4, 4 apart | half d
void tq1_0(Bytes block, int unit, CodedUnit& out) noexcept {
  out.factor = half_at(block + 52);
  set_scales(out, 1, 1);
  for (int i = 0; i < 32; ++i) {
    const int at = 32 * unit + i;
    out.number[i] = at < 160   ? digit(block + at % 32, at / 32)
                    : at < 240 ? digit(block + 32 + at % 16, (at - 160) / 16)
                               : digit(block + 48 + at % 4, (at - 240) / 4);
  }
}

// 2 x 32 bytes of four 2-bit fields, 32 values apart | half d
void tq2_0(Bytes block, int unit, CodedUnit& out) noexcept {
  out.factor = half_at(block + 64);
  set_scales(out, 1, 1);
  for (int i = 0; i < 32; ++i) {
    const unsigned stored = byte_at(block + unit / 4 * 32 + i) >> (unit % 4 * 2) & 3;
    out.number[i] = static_cast<std::int8_t>(static_cast<int>(stored) - 1);
  }
}

// half d | half, not needed | 32 signed bytes
void q8_1(Bytes block, int, CodedUnit& out) noexcept {
  out.factor = half_at(block);
  set_scales(out, 1, 1);
  std::memcpy(out.number, block + 4, 32);
}

// float d | 256 signed bytes | 16 sums, not needed
void q8_k(Bytes block, int unit, CodedUnit& out) noexcept {
  std::memcpy(&out.factor, block, sizeof out.factor);
  set_scales(out, 1, 1);
  std::memcpy(out.number, block + 4 + 32 * unit, 32);
}

}  // namespace

DecodeUnit coded_decoder(DType type) noexcept {
  switch (type) {
    case DType::iq4_nl:
      return iq4_nl;
    case DType::iq4_xs:
      return iq4_xs;
    case DType::mxfp4:
      return mxfp4;
    case DType::iq3_s:
      return iq3_s;
    case DType::iq3_xxs:
      return iq3_xxs;
    case DType::iq2_s:
      return iq2_s;
    case DType::iq2_xs:
      return iq2_xs;
    case DType::iq2_xxs:
      return iq2_xxs;
    case DType::iq1_s:
      return iq1_s;
    case DType::iq1_m:
      return iq1_m;
    case DType::tq1_0:
      return tq1_0;
    case DType::tq2_0:
      return tq2_0;
    case DType::q8_1:
      return q8_1;
    case DType::q8_k:
      return q8_k;
    default:
      return nullptr;
  }
}

}  // namespace heed
