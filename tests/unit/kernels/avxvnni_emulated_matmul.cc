// avxvnni_emulated_matmul.cc -- the AVX-VNNI matmul unit once more, over AVX2 and its one instruction lane by lane.
#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace heed {
namespace {

/// Unsigned bytes of a times signed bytes of b, four neighbours summed onto src; no saturation (Intel Intrinsics
/// Guide, VPDPBUSD).
[[gnu::noinline]] inline __m256i emulated_dpbusd(__m256i src, __m256i a, __m256i b) {
  std::int32_t sums[8];
  std::uint8_t x[32];
  std::int8_t y[32];
  std::memcpy(sums, &src, 32), std::memcpy(x, &a, 32), std::memcpy(y, &b, 32);
  for (int i = 0; i < 32; ++i) sums[i / 4] += x[i] * y[i];
  std::memcpy(&src, sums, 32);
  return src;
}

}  // namespace
}  // namespace heed

#define _mm256_dpbusd_avx_epi32 emulated_dpbusd
#define matmul_avxvnni matmul_avxvnni_emulated
#include "src/kernels/isa/avxvnni_matmul.cc"
