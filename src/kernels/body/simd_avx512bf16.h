// simd_avx512bf16.h -- vdpbf16ps: two bf16 products a lane and step. Queries and probabilities are rounded to bf16 too.
#pragma once
#include "kernels/body/simd_avx512.h"

namespace heed {
namespace {

// 32 floats become 16 pairs of bf16.
inline void store_pairs(float* to, Floats first, Floats second) {
  const __m512bh pairs = _mm512_cvtne2ps_pbh(second, first);
  __builtin_memcpy(to, &pairs, 64);
}

// x [n] becomes n/2 pairs in place (each 16 values end in the first half of their place).
inline void pack_pairs(float* x, std::int64_t n) {
  auto* to = reinterpret_cast<std::uint8_t*>(x);
  std::int64_t i = 0;
  for (; i + 32 <= n; i += 32) store_pairs(x + i / 2, _mm512_loadu_ps(x + i), _mm512_loadu_ps(x + i + 16));
  if (i < n) {
    const __m512bh pairs = _mm512_cvtne2ps_pbh(_mm512_setzero_ps(), _mm512_loadu_ps(x + i));
    __builtin_memcpy(to + 2 * i, &pairs, 32);
  }
}

inline __m512bh load_dot_line(const std::uint8_t* p) {
  __m512bh line;
  __builtin_memcpy(&line, p, 64);
  return line;
}

inline __m512bh broadcast_pair(const float* p) {
  std::int32_t pair;
  __builtin_memcpy(&pair, p, 4);
  const __m512i all = _mm512_set1_epi32(pair);
  __m512bh pairs;
  __builtin_memcpy(&pairs, &all, 64);
  return pairs;
}

inline Floats dot_pairs(Floats sum, __m512bh a, __m512bh b) { return _mm512_dpbf16_ps(sum, a, b); }

}  // namespace
}  // namespace heed
