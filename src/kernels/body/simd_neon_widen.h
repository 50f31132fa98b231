// simd_neon_widen.h -- for Arm processors without dot products: signed bytes are multiplied into 16 bits and summed
// there for as long as the weights' bits leave room.
#pragma once
#include "kernels/body/simd_neon.h"

namespace heed {
namespace {

// The 8 sums of a row and the 8 halves of the weights leave no room for more rows.
constexpr int kTileRows = 2;
constexpr int kPairRows = 1;
constexpr int kTilePanels = 1;
constexpr std::int64_t kExpandRows = 4, kExpandRowsExact = 4;
constexpr std::int64_t kWordRows = 0;  // never: halves take no more instructions

// The products of one register of weights: columns 0 and 1, columns 2 and 3.
template <class Register>
struct Products {
  Register low, high;
};
inline int32x4_t total_of(int32x4_t low, int32x4_t high) { return vpaddq_s32(low, high); }

// A unit's sum of one k in each quad is at most 8 * 31 * 128 = 31744 (5 bits), half a unit's 4 * 63 * 128 = 32256 (6).
template <int kBits>
struct Dots {
  static constexpr int kStep = 1;
  static constexpr bool kCentred = false;
  Four<Products<int16x8_t>> sum = {};

  static Products<int16x8_t> step(Products<int16x8_t> s, uint8x16_t weights, int8x16_t q) {
    const int8x16_t w = as_signed(weights);
    return {vmlal_s8(s.low, vget_low_s8(w), vget_low_s8(q)), vmlal_high_s8(s.high, w, q)};
  }
  void add(const Bytes (&w)[1], const std::int8_t* q, int j) {
    const int8x16_t a = broadcast_word(q + 4 * j);
    sum = each([a](Products<int16x8_t> s, uint8x16_t x) { return step(s, x, a); }, sum, w[0]);
  }
  Ints total() {
    return each([](Products<int16x8_t> s) { return total_of(vpaddlq_s16(s.low), vpaddlq_s16(s.high)); }, sum);
  }
};

// One product of 7 or 8 bits leaves no room in 16: -128 * -128 = 2^14, and two of them overflow.
template <bool kIsCentred>
struct WideDots {
  static constexpr int kStep = 1;
  static constexpr bool kCentred = kIsCentred;
  Four<Products<int32x4_t>> sum = {};

  static Products<int32x4_t> step(Products<int32x4_t> s, uint8x16_t weights, int8x16_t q) {
    const int8x16_t w = kIsCentred ? centred(weights) : as_signed(weights);
    return {vpadalq_s16(s.low, vmull_s8(vget_low_s8(w), vget_low_s8(q))), vpadalq_s16(s.high, vmull_high_s8(w, q))};
  }
  void add(const Bytes (&w)[1], const std::int8_t* q, int j) {
    const int8x16_t a = broadcast_word(q + 4 * j);
    sum = each([a](Products<int32x4_t> s, uint8x16_t x) { return step(s, x, a); }, sum, w[0]);
  }
  Ints total() {
    return each([](Products<int32x4_t> s) { return total_of(s.low, s.high); }, sum);
  }
};
template <>
struct Dots<7> : WideDots<false> {};
template <>
struct Dots<8> : WideDots<true> {};

}  // namespace
}  // namespace heed
