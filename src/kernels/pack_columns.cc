// pack_columns.cc -- block layouts of the GGUF specification, one column's share of a unit at a time.
#include "kernels/pack_columns.h"

#include <array>
#include <cstring>

#include "kernels/coded.h"
#include "kernels/dequantize.h"

namespace heed {
namespace {

std::uint16_t half_at(const std::byte* p) {
  std::uint16_t h;
  std::memcpy(&h, p, 2);
  return h;
}
std::uint8_t byte_at(const std::byte* p) { return static_cast<std::uint8_t>(*p); }

void low_nibbles(const std::byte* p, std::uint8_t* q, int n) {
  for (int i = 0; i < n; ++i) q[i] = byte_at(p + i) & 0x0f;
}
void high_nibbles(const std::byte* p, std::uint8_t* q, int n) {
  for (int i = 0; i < n; ++i) q[i] = static_cast<std::uint8_t>(byte_at(p + i) >> 4);
}

// Bit i of `bits` -> 0x10 in byte i: each byte keeps its own bit of a copy, and carries it into its top bit.
void or_fifth_bits(std::uint32_t bits, std::uint8_t* q) {
  for (int i = 0; i < 4; ++i) {
    const std::uint64_t own = (bits >> (8 * i) & 0xffu) * 0x0101010101010101u & 0x8040201008040201u;
    const std::uint64_t top = (own + 0x7f7f7f7f7f7f7f7fu) & 0x8080808080808080u;
    std::uint64_t eight;
    std::memcpy(&eight, q + 8 * i, 8);
    eight |= top >> 3;
    std::memcpy(q + 8 * i, &eight, 8);
  }
}

// Factors: a half, or two where the format has mins. Returns what follows them.
template <bool kHasMin>
const std::byte* read_factors(const std::byte* p, Column& c) {
  c.scale = half_at(p);
  if (kHasMin) c.min = half_at(p + 2);
  return p + (kHasMin ? 4 : 2);
}

template <bool kHasMin>
void read_4(const std::byte* p, int, Column& c) {
  p = read_factors<kHasMin>(p, c);
  low_nibbles(p, c.q, 16);
  high_nibbles(p, c.q + 16, 16);
}

template <bool kHasMin>
void read_5(const std::byte* p, int, Column& c) {
  p = read_factors<kHasMin>(p, c);
  std::uint32_t high;
  std::memcpy(&high, p, 4);
  low_nibbles(p + 4, c.q, 16);
  high_nibbles(p + 4, c.q + 16, 16);
  or_fifth_bits(high, c.q);
}

void read_8(const std::byte* p, int, Column& c) {
  c.scale = half_at(p);
  for (int i = 0; i < 32; ++i) c.q[i] = static_cast<std::uint8_t>(byte_at(p + 2 + i) ^ 0x80);
}

// The packed 6-bit scales and mins of Q4_K and Q5_K, entry `j` of 8.
void read_small(const std::byte* s, int j, Column& c) {
  if (j < 4) {
    c.small[0] = byte_at(s + j) & 63;
    c.small_min = byte_at(s + j + 4) & 63;
  } else {
    c.small[0] = static_cast<std::uint8_t>((byte_at(s + j + 4) & 0x0f) | (byte_at(s + j - 4) >> 6 << 4));
    c.small_min = static_cast<std::uint8_t>((byte_at(s + j + 4) >> 4) | (byte_at(s + j) >> 6 << 4));
  }
}

// Two-bit fields of 32 values: one shift over 32 bytes; entry `j` of 8.
void two_bits(const std::byte* p, int j, std::uint8_t* q) {
  const std::byte* bytes = p + j / 4 * 32;
  for (int i = 0; i < 32; ++i) q[i] = byte_at(bytes + i) >> (j % 4 * 2) & 3;
}

void read_2k(const std::byte* p, int j, Column& c) {
  c.scale = half_at(p + 80), c.min = half_at(p + 82);
  c.small[0] = byte_at(p + 2 * j), c.small[1] = byte_at(p + 2 * j + 1);  // nibbles stay together
  two_bits(p + 16, j, c.q);
}

void read_3k(const std::byte* p, int j, Column& c) {
  c.scale = half_at(p + 108);
  const std::byte* scales = p + 96;
  for (int half = 0; half < 2; ++half) {
    const int k = 2 * j + half;
    const int low = k < 8 ? byte_at(scales + k) & 15 : byte_at(scales + k - 8) >> 4;
    const int high = byte_at(scales + 8 + k % 4) >> (k / 4 * 2) & 3;
    c.small[half] = static_cast<std::uint8_t>((low | high << 4) - 32);
  }
  two_bits(p + 32, j, c.q);
  for (int i = 0; i < 32; ++i) c.q[i] = static_cast<std::uint8_t>(c.q[i] | (byte_at(p + i) >> j & 1) << 2);
}

void read_4k(const std::byte* p, int j, Column& c) {
  c.scale = half_at(p), c.min = half_at(p + 2);
  read_small(p + 4, j, c);
  const std::byte* q = p + 16 + (j / 2) * 32;
  if (j % 2 == 0)
    low_nibbles(q, c.q, 32);
  else
    high_nibbles(q, c.q, 32);
}

void read_5k(const std::byte* p, int j, Column& c) {
  c.scale = half_at(p), c.min = half_at(p + 2);
  read_small(p + 4, j, c);
  const std::byte* q = p + 48 + (j / 2) * 32;
  if (j % 2 == 0)
    low_nibbles(q, c.q, 32);
  else
    high_nibbles(q, c.q, 32);
  for (int i = 0; i < 32; ++i) c.q[i] = static_cast<std::uint8_t>(c.q[i] | ((byte_at(p + 16 + i) >> j & 1) << 4));
}

void read_6k(const std::byte* p, int j, Column& c) {
  const int part = j / 4, line = j % 4;  // 128 values a part; four lines of 32
  const std::byte* low = p + part * 64 + (line % 2) * 32;
  const std::byte* high = p + 128 + part * 32;
  if (line < 2)
    low_nibbles(low, c.q, 32);
  else
    high_nibbles(low, c.q, 32);
  for (int i = 0; i < 32; ++i)
    c.q[i] = static_cast<std::uint8_t>(c.q[i] | ((byte_at(high + i) >> (2 * line) & 3) << 4));
  c.small[0] = byte_at(p + 192 + 2 * j), c.small[1] = byte_at(p + 192 + 2 * j + 1);
  c.scale = half_at(p + 208);
}

constexpr const PackFormat& format_of(PackKind kind) { return kPackFormats[static_cast<std::size_t>(kind)]; }

// The code of a number of the kernels'.
constexpr std::array<std::uint8_t, 256> codes_of(const PackFormat& f) {
  std::array<std::uint8_t, 256> codes{};
  for (int i = 15; i >= 0; --i) codes[f.codes[i]] = static_cast<std::uint8_t>(i);  // of twins the first
  return codes;
}

template <PackKind kKind>
void read_number(const CodedUnit& unit, Column& c) {
  constexpr const PackFormat& kFormat = format_of(kKind);
  for (int i = 0; i < 32; ++i) {
    const auto number = static_cast<std::uint8_t>(unit.number[i] + kFormat.offset);
    if constexpr (kFormat.codes != nullptr) {
      static constexpr std::array<std::uint8_t, 256> kCodes = codes_of(kFormat);
      c.q[i] = kCodes[number];
    } else {
      c.q[i] = number;
    }
  }
}

template <PackKind kKind, DType kType>
void read_coded(const std::byte* p, int j, Column& c) {
  constexpr const PackFormat& kFormat = format_of(kKind);
  CodedUnit unit;
  coded_decoder(kType)(p, j, unit);
  read_number<kKind>(unit, c);
  const float factor = unit.factor / kFormat.unit;
  c.wide_scale = factor;
  c.scale = kFormat.scales == ScaleForm::bf16_32 ? float_to_bf16(factor) : float_to_half(factor);
  for (int half = 0; half < 2; ++half) c.small[half] = static_cast<std::uint8_t>(unit.scale[half]);
  if (kFormat.scales == ScaleForm::odd16)
    c.small[0] = static_cast<std::uint8_t>(unit.scale[0] / 2 | unit.scale[1] / 2 << 4);
}

// -1, 0 or 1 an eighth above or below, in eighths, is 8 * (code - 1) + 1, or - 1, so the unit has a scale of 8 and a
// min of 7, or 9.
void read_1s(const std::byte* p, int j, Column& c) {
  CodedUnit unit;
  coded_decoder(DType::iq1_s)(p, j, unit);
  for (int i = 0; i < 32; ++i) c.q[i] = static_cast<std::uint8_t>((unit.number[i] + 9) / 8);
  c.scale = c.min = float_to_half(unit.factor / format_of(PackKind::iq1_s).unit);
  const bool is_below = (unit.number[0] + 9) % 8 == 0;
  c.small[0] = static_cast<std::uint8_t>(8 * unit.scale[0]);
  c.small_min = static_cast<std::uint8_t>((is_below ? 9 : 7) * unit.scale[0]);
}

template <PackKind kKind, DType kType>
constexpr PackSource kCoded = {kType, kKind, read_coded<kKind, kType>};

constexpr PackSource kSources[] = {
    {DType::q4_0, PackKind::q4_0, read_4<false>}, {DType::q4_1, PackKind::q4_1, read_4<true>},
    {DType::q5_0, PackKind::q5_0, read_5<false>}, {DType::q5_1, PackKind::q5_1, read_5<true>},
    {DType::q8_0, PackKind::q8_0, read_8},        {DType::q2_k, PackKind::q2_k, read_2k},
    {DType::q3_k, PackKind::q3_k, read_3k},       {DType::q4_k, PackKind::q4_k, read_4k},
    {DType::q5_k, PackKind::q5_k, read_5k},       {DType::q6_k, PackKind::q6_k, read_6k},
    {DType::iq1_s, PackKind::iq1_s, read_1s},     kCoded<PackKind::q8_0, DType::q8_1>,
    kCoded<PackKind::q8_k, DType::q8_k>,          kCoded<PackKind::iq4_nl, DType::iq4_nl>,
    kCoded<PackKind::iq4_xs, DType::iq4_xs>,      kCoded<PackKind::mxfp4, DType::mxfp4>,
    kCoded<PackKind::iq3_s, DType::iq3_s>,        kCoded<PackKind::iq3_xxs, DType::iq3_xxs>,
    kCoded<PackKind::iq2_xs, DType::iq2_s>,       kCoded<PackKind::iq2_xs, DType::iq2_xs>,
    kCoded<PackKind::iq2_xxs, DType::iq2_xxs>,    kCoded<PackKind::iq1_m, DType::iq1_m>,
    kCoded<PackKind::ternary, DType::tq1_0>,      kCoded<PackKind::ternary, DType::tq2_0>,
    {DType::f32, PackKind::f32, nullptr},         {DType::f64, PackKind::f32, nullptr},
    {DType::f16, PackKind::f16, nullptr},         {DType::bf16, PackKind::bf16, nullptr},
};

}  // namespace

const PackSource* pack_source(DType type) noexcept {
  for (const PackSource& source : kSources)
    if (source.type == type) return &source;
  return nullptr;
}

}  // namespace heed
