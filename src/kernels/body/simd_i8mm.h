// simd_i8mm.h -- usmmla multiplies 2 columns x 8 k with 2 rows x 8 k at once (Armv8.6: Neoverse V1 and N2, M2). The two
// rows are the two halves of one row of exact activations; a single row (fast) takes usdot, at half the rate.
#pragma once
#include "kernels/body/simd_neon.h"

namespace heed {
namespace {

constexpr int kTileRows = 3;  // 3 x 4 integer and as many float sums, four weights, one activation
constexpr int kPairRows = 2;  // 2 x 8 integer and 2 x 4 float sums, and the weights two registers at a time
constexpr int kTilePanels = 1;
constexpr std::int64_t kExpandRows = 6, kExpandRowsExact = 4;
constexpr std::int64_t kWordRows = 0;  // never: halves take no more instructions

template <int kBits>
struct Dots {
  static constexpr int kStep = 1;
  static constexpr bool kCentred = false;
  Ints sum = broadcast_ints(0);
  void add(const Bytes (&w)[1], const std::int8_t* q, int j) {
    const int8x16_t a = broadcast_word(q + 4 * j);
    sum = each([a](int32x4_t s, uint8x16_t x) { return vusdotq_s32(s, x, a); }, sum, w[0]);
  }
  Ints total() { return sum; }
};

// What matmul.inl does for any Dots, here for both halves in one instruction.
template <class Dot>
struct PairDots;

template <int kBits>
struct PairDots<Dots<kBits>> {
  static constexpr int kStep = 2;  // two quads are 8 k
  Ints left = broadcast_ints(0);   // columns 0 and 1 of four: {high, low, high, low}
  Ints right = left;               // columns 2 and 3

  template <class Halves>
  void add(const Bytes (&w)[2], Halves q, int j) {
    const int8x16_t rows = vcombine_s8(vld1_s8(q.high + 4 * j), vld1_s8(q.low + 4 * j));
    left = each([rows](int32x4_t s, uint8x16_t x, uint8x16_t y) { return vusmmlaq_s32(s, first_two(x, y), rows); },
                left, w[0], w[1]);
    right = each([rows](int32x4_t s, uint8x16_t x, uint8x16_t y) { return vusmmlaq_s32(s, last_two(x, y), rows); },
                 right, w[0], w[1]);
  }
  // Two quads of four columns -> 8 k of two columns.
  static uint8x16_t first_two(uint8x16_t x, uint8x16_t y) {
    return vreinterpretq_u8_u32(vzip1q_u32(vreinterpretq_u32_u8(x), vreinterpretq_u32_u8(y)));
  }
  static uint8x16_t last_two(uint8x16_t x, uint8x16_t y) {
    return vreinterpretq_u8_u32(vzip2q_u32(vreinterpretq_u32_u8(x), vreinterpretq_u32_u8(y)));
  }
  Ints total() {
    return each([](int32x4_t l, int32x4_t r) { return vaddq_s32(vshlq_n_s32(vuzp1q_s32(l, r), 8), vuzp2q_s32(l, r)); },
                left, right);
  }
};

}  // namespace
}  // namespace heed
