// avx512_emulation.h -- exactly the AVX-512 intrinsics that the kernels use, lane by lane, so that any machine can
// prove their values. Stands in for <immintrin.h> (its include guard is taken) in the *_emulated.cc units of these
// tests. Semantics: Intel Intrinsics Guide; each function returns what the instruction writes.
#pragma once
#define _IMMINTRIN_H_INCLUDED  // GCC's guard
#define __IMMINTRIN_H          // clang's

#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/dequantize.h"

namespace heed::avx512_emulation {

template <int kBytes>
struct alignas(kBytes) Register {
  unsigned char bytes[kBytes];
};
struct alignas(64) FloatRegister {
  float lanes[16];
};

template <class Lane, class Vector>
struct Lanes {  // a vector as an array
  static constexpr int kCount = sizeof(Vector) / sizeof(Lane);
  Lane v[kCount];
  explicit Lanes(const Vector& x) { std::memcpy(v, &x, sizeof v); }
  Lanes() = default;
  Vector vector() const {
    Vector x;
    std::memcpy(&x, v, sizeof v);
    return x;
  }
};
template <class Lane, class Vector, class F>
Vector fill(F f) {  // lane i = f(i)
  Lanes<Lane, Vector> out;
  for (int i = 0; i < out.kCount; ++i) out.v[i] = static_cast<Lane>(f(i));
  return out.vector();
}
template <class Lane, class Vector, class F>
Vector map2(const Vector& a, const Vector& b, F f) {
  const Lanes<Lane, Vector> x(a), y(b);
  return fill<Lane, Vector>([&](int i) { return f(x.v[i], y.v[i]); });
}
template <class F>
float fold(const FloatRegister& a, F f) {  // halves join halves
  Lanes<float, FloatRegister> x(a);
  for (int width = 8; width > 0; width /= 2)
    for (int i = 0; i < width; ++i) x.v[i] = f(x.v[i], x.v[i + width]);
  return x.v[0];
}
// What cvtps2dq writes for values outside int32 and NaN.
inline std::int32_t to_int(float x) {
  return x >= -2147483648.0f && x < 2147483648.0f ? static_cast<std::int32_t>(std::nearbyint(x)) : INT32_MIN;
}

}  // namespace heed::avx512_emulation

// NOLINTBEGIN: the names are Intel's.
using __m128i = heed::avx512_emulation::Register<16>;
using __m256i = heed::avx512_emulation::Register<32>;
using __m512i = heed::avx512_emulation::Register<64>;
using __v16si = __m512i;
using __m512 = heed::avx512_emulation::FloatRegister;
using __mmask16 = std::uint16_t;
inline constexpr int _MM_FROUND_TO_NEAREST_INT = 0, _MM_FROUND_NO_EXC = 8;

namespace heed {
namespace {
namespace emulation = avx512_emulation;

template <class V>
V load_vector(const void* p) {
  V v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
[[gnu::noinline]] inline __m128i _mm_loadu_si128(const __m128i* p) { return load_vector<__m128i>(p); }
[[gnu::noinline]] inline void _mm_storeu_si128(__m128i* p, __m128i a) { std::memcpy(p, &a, sizeof a); }
[[gnu::noinline]] inline void _mm256_storeu_si256(__m256i* p, __m256i a) { std::memcpy(p, &a, sizeof a); }
[[gnu::noinline]] inline __m256i _mm256_loadu_si256(const __m256i* p) { return load_vector<__m256i>(p); }
[[gnu::noinline]] inline __m512i _mm512_loadu_si512(const void* p) { return load_vector<__m512i>(p); }
[[gnu::noinline]] inline void _mm512_storeu_si512(void* p, __m512i a) { std::memcpy(p, &a, sizeof a); }
[[gnu::noinline]] inline __m512 _mm512_loadu_ps(const void* p) { return load_vector<__m512>(p); }
[[gnu::noinline]] inline void _mm512_storeu_ps(void* p, __m512 a) { std::memcpy(p, &a, sizeof a); }

[[gnu::noinline]] inline __m512i _mm512_setzero_si512() { return __m512i{}; }
[[gnu::noinline]] inline __m512 _mm512_setzero_ps() { return __m512{}; }
[[gnu::noinline]] inline __m512i _mm512_set1_epi8(char x) {
  return emulation::fill<std::int8_t, __m512i>([&](int) { return x; });
}
[[gnu::noinline]] inline __m512i _mm512_set1_epi32(int x) {
  return emulation::fill<std::int32_t, __m512i>([&](int) { return x; });
}
[[gnu::noinline]] inline __m512 _mm512_set1_ps(float x) {
  return emulation::fill<float, __m512>([&](int) { return x; });
}
[[gnu::noinline]] inline __m512i _mm512_castps_si512(__m512 a) { return load_vector<__m512i>(&a); }
[[gnu::noinline]] inline __m512 _mm512_castsi512_ps(__m512i a) { return load_vector<__m512>(&a); }

[[gnu::noinline]] inline __m512i _mm512_and_si512(__m512i a, __m512i b) {
  return emulation::map2<std::uint8_t>(a, b, [](int x, int y) { return x & y; });
}
[[gnu::noinline]] inline __m512i _mm512_or_si512(__m512i a, __m512i b) {
  return emulation::map2<std::uint8_t>(a, b, [](int x, int y) { return x | y; });
}
[[gnu::noinline]] inline __m512i _mm512_xor_si512(__m512i a, __m512i b) {
  return emulation::map2<std::uint8_t>(a, b, [](int x, int y) { return x ^ y; });
}
[[gnu::noinline]] inline __m512i _mm512_srli_epi16(__m512i a, unsigned n) {
  return emulation::map2<std::uint16_t>(a, a, [&](std::uint16_t x, std::uint16_t) { return n > 15 ? 0 : x >> n; });
}
[[gnu::noinline]] inline __m512i _mm512_slli_epi16(__m512i a, unsigned n) {
  return emulation::map2<std::uint16_t>(a, a, [&](std::uint16_t x, std::uint16_t) { return n > 15 ? 0 : x << n; });
}
[[gnu::noinline]] inline __m512i _mm512_srai_epi16(__m512i a, unsigned n) {
  return emulation::map2<std::int16_t>(a, a, [&](std::int16_t x, std::int16_t) { return x >> (n > 15 ? 15 : n); });
}
[[gnu::noinline]] inline __m512i _mm512_slli_epi32(__m512i a, unsigned n) {
  return emulation::map2<std::uint32_t>(a, a, [&](std::uint32_t x, std::uint32_t) { return n > 31 ? 0 : x << n; });
}
[[gnu::noinline]] inline __m512i _mm512_add_epi32(__m512i a, __m512i b) {
  return emulation::map2<std::uint32_t>(a, b, [](std::uint32_t x, std::uint32_t y) { return x + y; });
}
[[gnu::noinline]] inline __m512i _mm512_srai_epi32(__m512i a, unsigned n) {
  return emulation::map2<std::int32_t>(a, a, [&](std::int32_t x, std::int32_t) { return x >> (n > 31 ? 31 : n); });
}
[[gnu::noinline]] inline __m512i _mm512_broadcast_i32x4(__m128i a) {
  const emulation::Lanes<std::int32_t, __m128i> x(a);
  return emulation::fill<std::int32_t, __m512i>([&](int i) { return x.v[i % 4]; });
}
[[gnu::noinline]] inline __m512i _mm512_shuffle_epi8(__m512i a, __m512i indices) {
  const emulation::Lanes<std::uint8_t, __m512i> x(a), at(indices);
  return emulation::fill<std::uint8_t, __m512i>(
      [&](int i) { return at.v[i] >= 128 ? 0 : x.v[i / 16 * 16 + at.v[i] % 16]; });
}
[[gnu::noinline]] inline __m512i _mm512_sub_epi8(__m512i a, __m512i b) {
  return emulation::map2<std::uint8_t>(a, b, [](int x, int y) { return x - y; });
}
[[gnu::noinline]] inline __m512i _mm512_sub_epi32(__m512i a, __m512i b) {
  return emulation::map2<std::uint32_t>(a, b, [](std::uint32_t x, std::uint32_t y) { return x - y; });
}
/// Unsigned bytes of a times signed bytes of b, four neighbours summed onto src; no saturation.
[[gnu::noinline]] inline __m512i _mm512_dpwssd_epi32(__m512i src, __m512i a, __m512i b) {
  const emulation::Lanes<std::int32_t, __m512i> s(src);
  const emulation::Lanes<std::int16_t, __m512i> x(a), y(b);
  return emulation::fill<std::int32_t, __m512i>(
      [&](int i) { return s.v[i] + x.v[2 * i] * y.v[2 * i] + x.v[2 * i + 1] * y.v[2 * i + 1]; });
}
[[gnu::noinline]] inline __m512i _mm512_dpbusd_epi32(__m512i src, __m512i a, __m512i b) {
  const emulation::Lanes<std::int32_t, __m512i> s(src);
  const emulation::Lanes<std::uint8_t, __m512i> x(a);
  const emulation::Lanes<std::int8_t, __m512i> y(b);
  return emulation::fill<std::int32_t, __m512i>([&](int i) {
    std::int32_t sum = s.v[i];
    for (int j = 0; j < 4; ++j) sum += x.v[4 * i + j] * y.v[4 * i + j];
    return sum;
  });
}

[[gnu::noinline]] inline __m512 _mm512_cvtepi32_ps(__m512i a) {
  const emulation::Lanes<std::int32_t, __m512i> x(a);
  return emulation::fill<float, __m512>([&](int i) { return static_cast<float>(x.v[i]); });
}
[[gnu::noinline]] inline __m512i _mm512_cvtps_epi32(__m512 a) {
  const emulation::Lanes<float, __m512> x(a);
  return emulation::fill<std::int32_t, __m512i>([&](int i) { return emulation::to_int(x.v[i]); });
}
template <class From, class V>
__m512i widen_lanes(const V& a) {
  const emulation::Lanes<From, V> x(a);
  return emulation::fill<std::int32_t, __m512i>([&](int i) { return x.v[i]; });
}
[[gnu::noinline]] inline __m512i _mm512_cvtepu8_epi32(__m128i a) { return widen_lanes<std::uint8_t>(a); }
[[gnu::noinline]] inline __m512i _mm512_cvtepi8_epi32(__m128i a) { return widen_lanes<std::int8_t>(a); }
[[gnu::noinline]] inline __m512i _mm512_cvtepu16_epi32(__m256i a) { return widen_lanes<std::uint16_t>(a); }
[[gnu::noinline]] inline __m512i _mm512_cvtepi8_epi16(__m256i a) {
  const emulation::Lanes<std::int8_t, __m256i> x(a);
  return emulation::fill<std::int16_t, __m512i>([&](int i) { return x.v[i]; });
}
[[gnu::noinline]] inline __m512 _mm512_cvtph_ps(__m256i a) {
  const emulation::Lanes<std::uint16_t, __m256i> x(a);
  return emulation::fill<float, __m512>([&](int i) { return half_to_float(x.v[i]); });
}
[[gnu::noinline]] inline __m128i _mm512_cvtsepi32_epi8(__m512i a) {
  const emulation::Lanes<std::int32_t, __m512i> x(a);
  return emulation::fill<std::int8_t, __m128i>([&](int i) {
    return x.v[i] < -128 ? -128 : x.v[i] > 127 ? 127 : x.v[i];
  });
}

[[gnu::noinline]] inline __m256i _mm512_cvtsepi32_epi16(__m512i a) {
  const emulation::Lanes<std::int32_t, __m512i> x(a);
  return emulation::fill<std::int16_t, __m256i>([&](int i) {
    return x.v[i] < -32768 ? -32768 : x.v[i] > 32767 ? 32767 : x.v[i];
  });
}

[[gnu::noinline]] inline __m512 _mm512_add_ps(__m512 a, __m512 b) {
  return emulation::map2<float>(a, b, [](float x, float y) { return x + y; });
}
[[gnu::noinline]] inline __m512 _mm512_sub_ps(__m512 a, __m512 b) {
  return emulation::map2<float>(a, b, [](float x, float y) { return x - y; });
}
[[gnu::noinline]] inline __m512 _mm512_mul_ps(__m512 a, __m512 b) {
  return emulation::map2<float>(a, b, [](float x, float y) { return x * y; });
}
[[gnu::noinline]] inline __m512 _mm512_div_ps(__m512 a, __m512 b) {
  return emulation::map2<float>(a, b, [](float x, float y) { return x / y; });
}
[[gnu::noinline]] inline __m512 _mm512_max_ps(__m512 a, __m512 b) {
  return emulation::map2<float>(a, b, [](float x, float y) { return x > y ? x : y; });
}
[[gnu::noinline]] inline __m512 _mm512_min_ps(__m512 a, __m512 b) {
  return emulation::map2<float>(a, b, [](float x, float y) { return x < y ? x : y; });
}
[[gnu::noinline]] inline __m512 _mm512_fmadd_ps(__m512 a, __m512 b, __m512 c) {
  const emulation::Lanes<float, __m512> x(a), y(b), z(c);
  return emulation::fill<float, __m512>([&](int i) { return std::fma(x.v[i], y.v[i], z.v[i]); });
}
[[gnu::noinline]] inline __m512 _mm512_abs_ps(__m512 a) {
  return emulation::map2<float>(a, a, [](float x, float) { return std::fabs(x); });
}
[[gnu::noinline]] inline __m512 _mm512_roundscale_ps(__m512 a, int) {
  return emulation::map2<float>(a, a, [](float x, float) { return std::nearbyint(x); });
}
/// a * 2^floor(b).
[[gnu::noinline]] inline __m512 _mm512_scalef_ps(__m512 a, __m512 b) {
  return emulation::map2<float>(
      a, b, [](float x, float y) { return std::ldexp(x, static_cast<int>(std::floor(y < -1000.0f ? -1000.0f : y))); });
}
[[gnu::noinline]] inline __m512 _mm512_mask_blend_ps(__mmask16 lanes, __m512 a, __m512 b) {
  const emulation::Lanes<float, __m512> x(a), y(b);
  return emulation::fill<float, __m512>([&](int i) { return lanes >> i & 1 ? y.v[i] : x.v[i]; });
}
[[gnu::noinline]] inline float _mm512_reduce_add_ps(__m512 a) {
  return emulation::fold(a, [](float x, float y) { return x + y; });
}
[[gnu::noinline]] inline float _mm512_reduce_max_ps(__m512 a) {
  return emulation::fold(a, [](float x, float y) { return x > y ? x : y; });
}
[[gnu::noinline]] inline int _mm512_reduce_add_epi32(__m512i a) {
  const emulation::Lanes<std::int32_t, __m512i> x(a);
  std::int32_t sum = 0;
  for (const std::int32_t v : x.v) sum += v;
  return sum;
}

}  // namespace
}  // namespace heed
// NOLINTEND
