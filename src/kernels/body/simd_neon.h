// simd_neon.h -- sixteen lanes as four 128-bit registers, for any 64-bit Arm. How bytes are multiplied is the matter of
// simd_neon_widen.h, simd_dotprod.h and simd_i8mm.h; everything else is the same on all of them.
#pragma once
#include <arm_neon.h>

#include <cstdint>

#include "kernels/body/matmul_table.h"

namespace heed {
namespace {

// Four registers by name, not as an array: GCC 12 keeps arrays in memory.
template <class Register>
struct Four {
  Register a, b, c, d;
};
using Bytes = Four<uint8x16_t>;  // 16 columns x 4 k: a register holds 4 columns
using Ints = Four<int32x4_t>;
using Floats = Four<float32x4_t>;

template <class F, class X>
inline auto each(F f, const Four<X>& x) -> Four<decltype(f(x.a))> {
  return {f(x.a), f(x.b), f(x.c), f(x.d)};
}
template <class F, class X, class Y>
inline auto each(F f, const Four<X>& x, const Four<Y>& y) -> Four<decltype(f(x.a, y.a))> {
  return {f(x.a, y.a), f(x.b, y.b), f(x.c, y.c), f(x.d, y.d)};
}
template <class F, class X, class Y, class Z>
inline auto each(F f, const Four<X>& x, const Four<Y>& y, const Four<Z>& z) -> Four<decltype(f(x.a, y.a, z.a))> {
  return {f(x.a, y.a, z.a), f(x.b, y.b, z.b), f(x.c, y.c, z.c), f(x.d, y.d, z.d)};
}

inline Bytes load_bytes(const std::uint8_t* p) {
  return {vld1q_u8(p), vld1q_u8(p + 16), vld1q_u8(p + 32), vld1q_u8(p + 48)};
}
inline void store_bytes(std::uint8_t* p, Bytes b) {
  vst1q_u8(p, b.a), vst1q_u8(p + 16, b.b), vst1q_u8(p + 32, b.c), vst1q_u8(p + 48, b.d);
}
inline Bytes mask_bytes(Bytes b, int mask) {
  const uint8x16_t m = vdupq_n_u8(static_cast<std::uint8_t>(mask));
  return each([m](uint8x16_t x) { return vandq_u8(x, m); }, b);
}
inline Bytes or_bytes(Bytes a, Bytes b) {
  return each([](uint8x16_t x, uint8x16_t y) { return vorrq_u8(x, y); }, a, b);
}
// By a register, because the count is no constant to the compiler until everything is inlined.
inline Bytes shift_left(Bytes b, int n) {
  const int8x16_t by = vdupq_n_s8(static_cast<std::int8_t>(n));
  return each([by](uint8x16_t x) { return vshlq_u8(x, by); }, b);
}
inline Bytes shift_right(Bytes b, int n) { return shift_left(b, -n); }
// values[code] for codes below 16.
inline Bytes look_up(Bytes codes, const std::uint8_t* values) {
  const uint8x16_t v = vld1q_u8(values);
  return each([v](uint8x16_t x) { return vqtbl1q_u8(v, x); }, codes);
}

inline int8x16_t broadcast_word(const std::int8_t* p) {
  std::int32_t word;
  __builtin_memcpy(&word, p, sizeof word);
  return vreinterpretq_s8_s32(vdupq_n_s32(word));
}
inline int8x16_t as_signed(uint8x16_t x) { return vreinterpretq_s8_u8(x); }
// Stored bytes of 8-bit weights are 128 too large: without their top bit they are the signed weights.
inline int8x16_t centred(uint8x16_t x) { return vreinterpretq_s8_u8(veorq_u8(x, vdupq_n_u8(0x80))); }

template <int kBits>
struct Dots;

// The form of an expanded panel: bytes as they are.
template <int kBits>
struct ByteForm {
  using Weights = Bytes;
  using Dot = Dots<kBits>;
  using Read = ByteForm;
  using Lane = std::int8_t;
  static constexpr bool kCentred = Dot::kCentred;
  static constexpr std::int64_t kQuadBytes = 64;
  static void store(std::uint8_t* p, Bytes b) { store_bytes(p, b); }
  static Bytes load(const std::uint8_t* p) { return load_bytes(p); }
};

template <int kBits, int, ActivationMode>
struct FormOf {
  using Type = ByteForm<kBits>;
};

inline Ints add(Ints a, Ints b) {
  return each([](int32x4_t x, int32x4_t y) { return vaddq_s32(x, y); }, a, b);
}
// 256 * high + low
inline Ints join_halves(Ints high, Ints low) {
  return each([](int32x4_t h, int32x4_t l) { return vaddq_s32(vshlq_n_s32(h, 8), l); }, high, low);
}
inline Ints broadcast_ints(std::int32_t x) {
  const int32x4_t v = vdupq_n_s32(x);
  return {v, v, v, v};
}
inline Floats to_floats(Ints a) {
  return each([](int32x4_t x) { return vcvtq_f32_s32(x); }, a);
}

inline Floats broadcast(float x) {
  const float32x4_t v = vdupq_n_f32(x);
  return {v, v, v, v};
}
inline Floats zero_floats() { return broadcast(0.0f); }
inline Floats load_floats(const float* p) {
  return {vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12)};
}
inline void store_floats(float* p, Floats f) {
  vst1q_f32(p, f.a), vst1q_f32(p + 4, f.b), vst1q_f32(p + 8, f.c), vst1q_f32(p + 12, f.d);
}
inline Floats mul(Floats a, Floats b) {
  return each([](float32x4_t x, float32x4_t y) { return vmulq_f32(x, y); }, a, b);
}
inline Floats fma(Floats a, Floats b, Floats c) {
  return each([](float32x4_t x, float32x4_t y, float32x4_t z) { return vfmaq_f32(z, x, y); }, a, b, c);
}
inline Floats negate(Floats a) {
  return each([](float32x4_t x) { return vnegq_f32(x); }, a);
}
inline Floats load_halfs(const std::uint8_t* p) {
  const float16x8_t low = vreinterpretq_f16_u8(vld1q_u8(p)), high = vreinterpretq_f16_u8(vld1q_u8(p + 16));
  return {vcvt_f32_f16(vget_low_f16(low)), vcvt_high_f32_f16(low), vcvt_f32_f16(vget_low_f16(high)),
          vcvt_high_f32_f16(high)};
}
inline Floats load_bf16(const std::uint8_t* p) {
  const uint16x8_t low = vreinterpretq_u16_u8(vld1q_u8(p)), high = vreinterpretq_u16_u8(vld1q_u8(p + 16));
  const Four<uint32x4_t> words = {vshll_n_u16(vget_low_u16(low), 16), vshll_high_n_u16(low, 16),
                                  vshll_n_u16(vget_low_u16(high), 16), vshll_high_n_u16(high, 16)};
  return each([](uint32x4_t x) { return vreinterpretq_f32_u32(x); }, words);
}
inline Floats load_u8(const std::uint8_t* p) {
  const uint8x16_t bytes = vld1q_u8(p);
  const uint16x8_t low = vmovl_u8(vget_low_u8(bytes)), high = vmovl_high_u8(bytes);
  const Four<uint32x4_t> words = {vmovl_u16(vget_low_u16(low)), vmovl_high_u16(low), vmovl_u16(vget_low_u16(high)),
                                  vmovl_high_u16(high)};
  return each([](uint32x4_t x) { return vcvtq_f32_u32(x); }, words);
}
inline Floats load_i8(const std::uint8_t* p) {
  const int8x16_t bytes = vreinterpretq_s8_u8(vld1q_u8(p));
  const int16x8_t low = vmovl_s8(vget_low_s8(bytes)), high = vmovl_high_s8(bytes);
  return to_floats(
      {vmovl_s16(vget_low_s16(low)), vmovl_high_s16(low), vmovl_s16(vget_low_s16(high)), vmovl_high_s16(high)});
}
inline float max_abs(Floats x, Floats y) {  // NaN counts as nothing
  const auto larger = [](float32x4_t p, float32x4_t q) { return vmaxnmq_f32(vabsq_f32(p), vabsq_f32(q)); };
  return vmaxnmvq_f32(
      vmaxnmq_f32(vmaxnmq_f32(larger(x.a, x.b), larger(x.c, x.d)), vmaxnmq_f32(larger(y.a, y.b), larger(y.c, y.d))));
}
// Sixteen int32 in -128..127 as bytes, in order.
inline void store_as_bytes(Ints x, std::int8_t* q) {
  const int16x8_t low = vqmovn_high_s32(vqmovn_s32(x.a), x.b), high = vqmovn_high_s32(vqmovn_s32(x.c), x.d);
  vst1q_s8(q, vqmovn_high_s16(vqmovn_s16(low), high));
}
inline std::int32_t sum_of(Ints x) { return vaddvq_s32(vaddq_s32(vaddq_s32(x.a, x.b), vaddq_s32(x.c, x.d))); }
// To nearest even; NaN becomes `otherwise`, where the instruction would give 0.
inline Ints round_floats(Floats x, std::int32_t otherwise) {
  const int32x4_t instead = vdupq_n_s32(otherwise);
  return each([instead](float32x4_t v) { return vbslq_s32(vceqq_f32(v, v), vcvtnq_s32_f32(v), instead); }, x);
}
// Rounds 16 values to nearest even, stores them as int8, returns their sum.
inline std::int32_t round_to_bytes(Floats x, std::int8_t* q) {
  const Ints words = round_floats(x, -128);
  store_as_bytes(words, q);
  return sum_of(words);
}
// Rounds 16 values to nearest even, stores them as 256 * high + low, returns their sum.
inline std::int32_t round_to_halves(Floats x, std::int8_t* high, std::int8_t* low) {
  const Ints words = round_floats(x, -32768);
  const int32x4_t half = vdupq_n_s32(128);
  const Ints top = each([half](int32x4_t w) { return vshrq_n_s32(vaddq_s32(w, half), 8); }, words);
  store_as_bytes(top, high);
  store_as_bytes(each([](int32x4_t w, int32x4_t t) { return vsubq_s32(w, vshlq_n_s32(t, 8)); }, words, top), low);
  return sum_of(words);
}

inline Floats add(Floats a, Floats b) {
  return each([](float32x4_t x, float32x4_t y) { return vaddq_f32(x, y); }, a, b);
}
inline Floats sub(Floats a, Floats b) {
  return each([](float32x4_t x, float32x4_t y) { return vsubq_f32(x, y); }, a, b);
}
inline Floats div(Floats a, Floats b) {
  return each([](float32x4_t x, float32x4_t y) { return vdivq_f32(x, y); }, a, b);
}
// As everywhere else: the second where neither is larger (NaN).
inline float32x4_t larger_of(float32x4_t x, float32x4_t y) { return vbslq_f32(vcgtq_f32(x, y), x, y); }
inline Floats max(Floats a, Floats b) { return each(larger_of, a, b); }
inline Floats min(Floats a, Floats b) {
  return each([](float32x4_t x, float32x4_t y) { return vbslq_f32(vcltq_f32(x, y), x, y); }, a, b);
}
inline Floats round_even(Floats a) {
  return each([](float32x4_t x) { return vrndnq_f32(x); }, a);
}
// a * 2^n for whole n with a result in the normal range.
inline Floats scale_by_power(Floats a, Floats n) {
  return each(
      [](float32x4_t x, float32x4_t y) {
        const int32x4_t exponent = vshlq_n_s32(vcvtnq_s32_f32(y), 23);
        return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(x), exponent));
      },
      a, n);
}
// Lanes are joined in halves, as everywhere else.
inline float sum_lanes(Floats x) {
  const float32x4_t four = vaddq_f32(vaddq_f32(x.a, x.c), vaddq_f32(x.b, x.d));
  const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
  return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}
inline float max_lanes(Floats x) {
  const float32x4_t four = larger_of(larger_of(x.a, x.c), larger_of(x.b, x.d));
  const float32x2_t low = vget_low_f32(four), high = vget_high_f32(four);
  const float32x2_t two = vbsl_f32(vcgt_f32(low, high), low, high);
  const float p = vget_lane_f32(two, 0), q = vget_lane_f32(two, 1);
  return p > q ? p : q;
}
// Sixteen pairs of bf16: the first of each pair, the second of each.
struct Pairs {
  Floats first, second;
};
inline Pairs load_pairs(const std::uint8_t* p) {
  const Bytes b = load_bytes(p);
  const uint32x4_t high = vdupq_n_u32(0xffff0000u);
  return {each([](uint8x16_t x) { return vreinterpretq_f32_u32(vshlq_n_u32(vreinterpretq_u32_u8(x), 16)); }, b),
          each([high](uint8x16_t x) { return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_u8(x), high)); }, b)};
}
// Sixteen pairs of signed words.
using WordPairs = Four<int16x8_t>;
template <int kBits>
inline WordPairs load_words(const std::uint8_t* p) {
  if constexpr (kBits == 8) {
    const int8x16_t low = vreinterpretq_s8_u8(vld1q_u8(p)), high = vreinterpretq_s8_u8(vld1q_u8(p + 16));
    return {vmovl_s8(vget_low_s8(low)), vmovl_high_s8(low), vmovl_s8(vget_low_s8(high)), vmovl_high_s8(high)};
  } else {
    const int8x16_t two = vreinterpretq_s8_u8(vld1q_u8(p));
    const int8x16_t first = vshrq_n_s8(vshlq_n_s8(two, 4), 4), second = vshrq_n_s8(two, 4);
    const int8x16_t low = vzip1q_s8(first, second), high = vzip2q_s8(first, second);
    return {vmovl_s8(vget_low_s8(low)), vmovl_high_s8(low), vmovl_s8(vget_low_s8(high)), vmovl_high_s8(high)};
  }
}
inline WordPairs broadcast_words(const float* p) {
  std::int32_t pair;
  __builtin_memcpy(&pair, p, sizeof pair);
  const int16x8_t all = vreinterpretq_s16_s32(vdupq_n_s32(pair));
  return {all, all, all, all};
}
using WordSums = Ints;
inline WordSums zero_word_sums() { return broadcast_ints(0); }
inline Floats floats_of_sums(const WordSums& sum) { return to_floats(sum); }
inline Ints dot_word_pairs(Ints sum, WordPairs a, WordPairs b) {
  const auto dot = [](int32x4_t s, int16x8_t x, int16x8_t y) {
    return vaddq_s32(s, vpaddq_s32(vmull_s16(vget_low_s16(x), vget_low_s16(y)), vmull_high_s16(x, y)));
  };
  return {dot(sum.a, a.a, b.a), dot(sum.b, a.b, b.b), dot(sum.c, a.c, b.c), dot(sum.d, a.d, b.d)};
}
inline void store_words(std::int16_t* p, Floats x) {
  const Ints words = round_floats(x, -32768);
  vst1q_s16(p, vqmovn_high_s32(vqmovn_s32(words.a), words.b));
  vst1q_s16(p + 8, vqmovn_high_s32(vqmovn_s32(words.c), words.d));
}
// Lane i of x where bit i of `lanes` is set, else of `otherwise`.
inline Floats keep_lanes(Floats x, std::uint32_t lanes, Floats otherwise) {
  const uint32x4_t all = vdupq_n_u32(lanes), first = {1, 2, 4, 8};
  const Four<uint32x4_t> kept = {vtstq_u32(all, first), vtstq_u32(all, vshlq_n_u32(first, 4)),
                                 vtstq_u32(all, vshlq_n_u32(first, 8)), vtstq_u32(all, vshlq_n_u32(first, 12))};
  return each([](uint32x4_t keep, float32x4_t p, float32x4_t q) { return vbslq_f32(keep, p, q); }, kept, x, otherwise);
}

}  // namespace
}  // namespace heed
