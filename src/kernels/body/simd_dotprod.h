// simd_dotprod.h -- sdot multiplies and sums a quad of signed bytes at once (Armv8.2: Neoverse N1, Cortex-A76, M1).
#pragma once
#include "kernels/body/simd_neon.h"

namespace heed {
namespace {

// 3 x 4 integer and as many float sums, four weights, one activation: 29 of 32 registers.
constexpr int kTileRows = 3;
constexpr int kPairRows = 2;  // 2 x 2 x 4 integer and 2 x 4 float sums: 29 too
constexpr int kTilePanels = 1;
constexpr std::int64_t kExpandRows = 6, kExpandRowsExact = 4;
constexpr std::int64_t kWordRows = 0;  // never: halves take no more instructions

template <int kBits>
struct Dots {
  static constexpr int kStep = 1;
  static constexpr bool kCentred = kBits == 8;
  Ints sum = broadcast_ints(0);
  void add(const Bytes (&w)[1], const std::int8_t* q, int j) {
    const int8x16_t a = broadcast_word(q + 4 * j);
    sum = each([a](int32x4_t s, uint8x16_t x) { return vdotq_s32(s, kBits == 8 ? centred(x) : as_signed(x), a); }, sum,
               w[0]);
  }
  Ints total() { return sum; }
};

}  // namespace
}  // namespace heed
