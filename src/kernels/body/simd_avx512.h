// simd_avx512.h -- sixteen lanes as one 512-bit register; vpdpbusd multiplies and sums a quad at once.
#pragma once
#include <immintrin.h>

#include <cstdint>

#include "kernels/body/matmul_table.h"

namespace heed {
namespace {

// 6 x 2 integer and as many float sums, two weights, one activation: 27 of 32 registers.
constexpr int kTileRows = 6;
constexpr int kPairRows = 4;  // of rows in two halves: 4 x 2 x 2 integer and 8 float sums
constexpr int kTilePanels = 2;
constexpr std::int64_t kExpandRows = 0,
                       kExpandRowsExact = 0;  // never: unpacking two registers is cheap beside twelve vpdpbusd
constexpr std::int64_t kWordRows = 0;         // never: the halves are as fast

using Bytes = __m512i;  // 16 columns x 4 k
struct Ints {
  __m512i v;
};
using Floats = __m512;

inline Bytes load_bytes(const std::uint8_t* p) { return _mm512_loadu_si512(p); }
inline void store_bytes(std::uint8_t* p, Bytes b) { _mm512_storeu_si512(p, b); }
inline Bytes mask_bytes(Bytes b, int mask) { return _mm512_and_si512(b, _mm512_set1_epi8(static_cast<char>(mask))); }
inline Bytes or_bytes(Bytes a, Bytes b) { return _mm512_or_si512(a, b); }
// Shifts move bits across bytes: callers mask what comes in.
inline Bytes shift_right(Bytes b, int n) { return _mm512_srli_epi16(b, static_cast<unsigned>(n)); }
inline Bytes shift_left(Bytes b, int n) { return _mm512_slli_epi16(b, static_cast<unsigned>(n)); }
// values[code] for codes below 16.
inline Bytes look_up(Bytes codes, const std::uint8_t* values) {
  const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(values));
  return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(v), codes);
}
inline __m512i broadcast_word(const std::int8_t* p) {
  std::int32_t word;
  __builtin_memcpy(&word, p, sizeof word);
  return _mm512_set1_epi32(word);
}

template <int kBits>
struct Dots {
  static constexpr int kStep = 1;
  __m512i sum = _mm512_setzero_si512();
  void add(const Bytes (&w)[1], const std::int8_t* q, int j) {
    sum = _mm512_dpbusd_epi32(sum, w[0], broadcast_word(q + 4 * j));
  }
  void start(Ints s) { sum = s.v; }
  Ints total() { return {sum}; }
};

// The form of an expanded panel: bytes as they are.
template <int kBits>
struct ByteForm {
  using Weights = Bytes;
  using Dot = Dots<kBits>;
  using Read = ByteForm<8>;  // a product is the same whatever the bits
  using Lane = std::int8_t;
  static constexpr bool kCentred = false;
  static constexpr std::int64_t kQuadBytes = 64;
  static void store(std::uint8_t* p, Bytes b) { store_bytes(p, b); }
  static Bytes load(const std::uint8_t* p) { return load_bytes(p); }
};

template <int kBits, int, ActivationMode>
struct FormOf {
  using Type = ByteForm<kBits>;
};

// 256 * high + low
inline Ints join_halves(Ints high, Ints low) { return {_mm512_add_epi32(_mm512_slli_epi32(high.v, 8), low.v)}; }
inline Ints add(Ints a, Ints b) { return {_mm512_add_epi32(a.v, b.v)}; }
inline Ints broadcast_ints(std::int32_t x) { return {_mm512_set1_epi32(x)}; }
inline Floats to_floats(Ints a) { return _mm512_cvtepi32_ps(a.v); }
inline Floats zero_floats() { return _mm512_setzero_ps(); }
inline Floats broadcast(float x) { return _mm512_set1_ps(x); }
inline Floats load_floats(const float* p) { return _mm512_loadu_ps(p); }
inline void store_floats(float* p, Floats a) { _mm512_storeu_ps(p, a); }
inline Floats mul(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
inline Floats fma(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
inline Floats negate(Floats a) {
  return _mm512_castsi512_ps(_mm512_xor_si512(_mm512_castps_si512(a), _mm512_set1_epi32(INT32_MIN)));
}
inline Floats load_halfs(const std::uint8_t* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
inline Floats load_bf16(const std::uint8_t* p) {
  const __m512i words = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  return _mm512_castsi512_ps(_mm512_slli_epi32(words, 16));
}
inline Floats load_u8(const std::uint8_t* p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
inline Floats load_i8(const std::uint8_t* p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
inline float max_abs(Floats a, Floats b) {
  return _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(a), _mm512_abs_ps(b)));
}
inline std::int32_t round_to_bytes(Floats a, std::int8_t* q) {
  const __m512i words = _mm512_cvtps_epi32(a);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(q), _mm512_cvtsepi32_epi8(words));
  return _mm512_reduce_add_epi32(words);
}
// Rounds 16 values to nearest even, stores them as 256 * high + low, returns their sum.
inline std::int32_t round_to_halves(Floats a, std::int8_t* high, std::int8_t* low) {
  const __m512i words = _mm512_cvtps_epi32(a);
  const __m512i top = _mm512_srai_epi32(_mm512_add_epi32(words, _mm512_set1_epi32(128)), 8);
  const __m512i rest = _mm512_sub_epi32(words, _mm512_slli_epi32(top, 8));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(high), _mm512_cvtsepi32_epi8(top));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(low), _mm512_cvtsepi32_epi8(rest));
  return _mm512_reduce_add_epi32(words);
}

inline Floats add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
inline Floats sub(Floats a, Floats b) { return _mm512_sub_ps(a, b); }
inline Floats div(Floats a, Floats b) { return _mm512_div_ps(a, b); }
inline Floats max(Floats a, Floats b) { return _mm512_max_ps(a, b); }
inline Floats min(Floats a, Floats b) { return _mm512_min_ps(a, b); }
inline Floats round_even(Floats a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
// a * 2^n for whole n with a result in the normal range.
inline Floats scale_by_power(Floats a, Floats n) { return _mm512_scalef_ps(a, n); }
inline float sum_lanes(Floats a) { return _mm512_reduce_add_ps(a); }
inline float max_lanes(Floats a) { return _mm512_reduce_max_ps(a); }
// Sixteen pairs of bf16: the first of each pair, the second of each.
struct Pairs {
  Floats first, second;
};
inline Pairs load_pairs(const std::uint8_t* p) {
  const Bytes b = load_bytes(p);
  return {_mm512_castsi512_ps(_mm512_slli_epi32(b, 16)),
          _mm512_castsi512_ps(_mm512_and_si512(b, _mm512_set1_epi32(static_cast<int>(0xffff0000u))))};
}
// Sixteen pairs of signed words.
using WordPairs = __m512i;
template <int kBits>
inline WordPairs load_words(const std::uint8_t* p) {
  if constexpr (kBits == 8) return _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  const __m512i two = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  return _mm512_srai_epi16(_mm512_or_si512(_mm512_slli_epi32(two, 12), _mm512_slli_epi32(two, 24)), 12);
}
inline WordPairs broadcast_words(const float* p) { return broadcast_word(reinterpret_cast<const std::int8_t*>(p)); }
// By the type of its lanes: as __m512i, GCC 12 copies a sum at every step of a loop.
using WordSums = __v16si;
inline WordSums zero_word_sums() { return __builtin_bit_cast(WordSums, _mm512_setzero_si512()); }
inline WordSums dot_word_pairs(WordSums sum, WordPairs a, WordPairs b) {
  return __builtin_bit_cast(WordSums, _mm512_dpwssd_epi32(__builtin_bit_cast(__m512i, sum), a, b));
}
inline Floats floats_of_sums(WordSums sum) { return _mm512_cvtepi32_ps(__builtin_bit_cast(__m512i, sum)); }
inline void store_words(std::int16_t* p, Floats a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtsepi32_epi16(_mm512_cvtps_epi32(a)));
}
// Lane i of x where bit i of `lanes` is set, else of `otherwise`.
inline Floats keep_lanes(Floats x, std::uint32_t lanes, Floats otherwise) {
  return _mm512_mask_blend_ps(static_cast<__mmask16>(lanes), otherwise, x);
}

}  // namespace
}  // namespace heed
