// simd_avxvnni.h -- AVX2 with vpdpbusd in 256 bits (Alder Lake and its successors without AVX-512): simd_avx2.h but for
// the dot products. They live in a namespace inside, where matmul.inl is included too and finds them first.
#pragma once
#include "kernels/body/simd_avx2.h"

namespace heed {
namespace {
namespace avxvnni {

// 12 integer sums, two weights, one activation: 15 of 16 registers; the float sums come in once a unit.
constexpr int kTileRows = 6;
constexpr int kPairRows = 3;
constexpr int kTilePanels = 1;
constexpr std::int64_t kExpandRows = 12, kExpandRowsExact = 6;
constexpr std::int64_t kWordRows = 0;  // never: halves take no more instructions

template <int kBits>
struct Dots {
  static constexpr int kStep = 1;
  __m256i lo = _mm256_setzero_si256(), hi = _mm256_setzero_si256();
  void add(const Bytes (&w)[1], const std::int8_t* q, int j) {
    const __m256i a = broadcast_word(q + 4 * j);
    lo = _mm256_dpbusd_avx_epi32(lo, w[0].lo, a);
    hi = _mm256_dpbusd_avx_epi32(hi, w[0].hi, a);
  }
  Ints total() { return {lo, hi}; }
};

template <int kBits>
struct ByteForm : heed::ByteForm<kBits> {
  using Dot = Dots<kBits>;
  using Read = ByteForm<8>;
};

template <int kBits, int, ActivationMode>
struct FormOf {
  using Type = ByteForm<kBits>;
};

}  // namespace avxvnni
}  // namespace
}  // namespace heed
