// avx512bf16_emulation.h -- the two AVX512-BF16 instructions that the kernels use, lane by lane. Semantics: Intel
// Intrinsics Guide (VDPBF16PS, VCVTNE2PS2BF16): nearest even, denormals are zero.
#pragma once
#include "tests/unit/kernels/avx512_emulation.h"

// NOLINTBEGIN: the names are Intel's.
struct alignas(64) __m512bh {
  std::uint16_t lanes[32];
};

namespace heed {
namespace {

inline float flush_denormal(float x) { return std::fabs(x) < 1.17549435e-38f ? std::copysign(0.0f, x) : x; }

/// b becomes the low, a the high half.
[[gnu::noinline]] inline __m512bh _mm512_cvtne2ps_pbh(__m512 a, __m512 b) {
  __m512bh out;
  for (int i = 0; i < 16; ++i) {
    out.lanes[i] = float_to_bf16(flush_denormal(b.lanes[i]));
    out.lanes[16 + i] = float_to_bf16(flush_denormal(a.lanes[i]));
  }
  return out;
}

/// Lane i: sum + a[2i+1] b[2i+1], then + a[2i] b[2i]; each step rounded once.
[[gnu::noinline]] inline __m512 _mm512_dpbf16_ps(__m512 sum, __m512bh a, __m512bh b) {
  for (int i = 0; i < 16; ++i)
    for (const int part : {1, 0}) {
      const float x = flush_denormal(bf16_to_float(a.lanes[2 * i + part]));
      const float y = flush_denormal(bf16_to_float(b.lanes[2 * i + part]));
      sum.lanes[i] = flush_denormal(std::fma(x, y, sum.lanes[i]));
    }
  return sum;
}

}  // namespace
}  // namespace heed
// NOLINTEND
