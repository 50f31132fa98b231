// simd_avx2.h -- sixteen lanes as two 256-bit registers. No dot-product instruction: bytes are multiplied in pairs into
// 16 bits (maddubs) and summed there for as long as the weights' bits leave room.
#pragma once
#include <immintrin.h>

#include <cstdint>

#include "kernels/body/matmul_table.h"

namespace heed {
namespace {

// Rows of a tile, so that its integer sums stay in the 16 registers.
constexpr int kTileRows = 4;
constexpr int kPairRows = 2;  // of rows in two halves: twice the sums
constexpr int kTilePanels = 1;
constexpr std::int64_t kExpandRows = 12, kExpandRowsExact = 12;  // storing what was unpacked pays from here on
constexpr std::int64_t kWordRows = 3;                            // from here on words are faster than halves

struct Bytes {
  __m256i lo, hi;
};  // 16 columns x 4 k
struct Ints {
  __m256i lo, hi;
};
struct Floats {
  __m256 lo, hi;
};

inline Bytes load_bytes(const std::uint8_t* p) {
  return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)),
          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32))};
}
inline void store_bytes(std::uint8_t* p, Bytes b) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), b.lo);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 32), b.hi);
}
inline Bytes mask_bytes(Bytes b, int mask) {
  const __m256i m = _mm256_set1_epi8(static_cast<char>(mask));
  return {_mm256_and_si256(b.lo, m), _mm256_and_si256(b.hi, m)};
}
inline Bytes or_bytes(Bytes a, Bytes b) { return {_mm256_or_si256(a.lo, b.lo), _mm256_or_si256(a.hi, b.hi)}; }
// Shifts move bits across bytes: callers mask what comes in.
inline Bytes shift_right(Bytes b, int n) { return {_mm256_srli_epi16(b.lo, n), _mm256_srli_epi16(b.hi, n)}; }
inline Bytes shift_left(Bytes b, int n) { return {_mm256_slli_epi16(b.lo, n), _mm256_slli_epi16(b.hi, n)}; }
// values[code] for codes below 16.
inline Bytes look_up(Bytes codes, const std::uint8_t* values) {
  const __m256i v = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(values)));
  return {_mm256_shuffle_epi8(v, codes.lo), _mm256_shuffle_epi8(v, codes.hi)};
}
inline __m256i broadcast_word(const void* p) {
  std::int32_t word;
  __builtin_memcpy(&word, p, sizeof word);
  return _mm256_set1_epi32(word);
}

// Keeps the order of the sums as written: GCC otherwise moves the additions behind all products and spills those.
inline void pin(__m256i& a) { asm("" : "+x"(a)); }

inline __m256i pair_sums(__m256i words) { return _mm256_madd_epi16(words, _mm256_set1_epi16(1)); }

// Exact dot of unsigned kBits-bit weights with int8 activations. |pair sum| <= 2 * (2^bits - 1) * 127 = 3810 (4 bits;
// fewer: less), 7874 (5), 16002 (6), 32512 (7): eight, four, two, one of them fit 16 bits.
template <int kBits>
struct Dots {
  static constexpr int kStep = 1;
  static constexpr int kGroup = kBits <= 4 ? 8 : 1;
  __m256i lo16 = _mm256_setzero_si256(), hi16 = _mm256_setzero_si256();
  __m256i lo32 = _mm256_setzero_si256(), hi32 = _mm256_setzero_si256();

  void add(const Bytes (&w)[1], const std::int8_t* q, int j) {
    const __m256i a = broadcast_word(q + 4 * j);
    lo16 = _mm256_add_epi16(lo16, _mm256_maddubs_epi16(w[0].lo, a));
    hi16 = _mm256_add_epi16(hi16, _mm256_maddubs_epi16(w[0].hi, a));
    pin(lo16), pin(hi16);
    if (kGroup == 1) widen();
  }
  void widen() {
    lo32 = _mm256_add_epi32(lo32, pair_sums(lo16));
    hi32 = _mm256_add_epi32(hi32, pair_sums(hi16));
    lo16 = hi16 = _mm256_setzero_si256();
  }
  Ints total() {
    if constexpr (kGroup == 8) widen();
    return {lo32, hi32};
  }
};

template <>
struct Dots<5> {
  static constexpr int kStep = 4;
  __m256i lo = _mm256_setzero_si256(), hi = _mm256_setzero_si256();

  void add(const Bytes (&w)[4], const std::int8_t* q, int j) {
    __m256i l = _mm256_setzero_si256(), h = l;
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const __m256i a = broadcast_word(q + 4 * (j + i));
      l = _mm256_add_epi16(l, _mm256_maddubs_epi16(w[i].lo, a));
      h = _mm256_add_epi16(h, _mm256_maddubs_epi16(w[i].hi, a));
    }
    lo = _mm256_add_epi32(lo, pair_sums(l));
    hi = _mm256_add_epi32(hi, pair_sums(h));
    pin(lo), pin(hi);
  }
  Ints total() { return {lo, hi}; }
};

template <>
struct Dots<6> {
  static constexpr int kStep = 4;
  __m256i lo = _mm256_setzero_si256(), hi = _mm256_setzero_si256();

  void add(const Bytes (&w)[4], const std::int8_t* q, int j) {
#pragma GCC unroll 2
    for (int i = 0; i < 4; i += 2) {
      const __m256i a = broadcast_word(q + 4 * (j + i)), b = broadcast_word(q + 4 * (j + i + 1));
      lo = _mm256_add_epi32(
          lo, pair_sums(_mm256_add_epi16(_mm256_maddubs_epi16(w[i].lo, a), _mm256_maddubs_epi16(w[i + 1].lo, b))));
      hi = _mm256_add_epi32(
          hi, pair_sums(_mm256_add_epi16(_mm256_maddubs_epi16(w[i].hi, a), _mm256_maddubs_epi16(w[i + 1].hi, b))));
      pin(lo), pin(hi);
    }
  }
  Ints total() { return {lo, hi}; }
};

// 8 bits leave no room for a sum in 16: the two nibbles go separate ways, w = 16 * high + low.
template <>
struct Dots<8> {
  static constexpr int kStep = 1;
  Dots<4> low, high;
  void add(const Bytes (&w)[1], const std::int8_t* q, int j) {
    const Bytes l[1] = {mask_bytes(w[0], 0x0f)}, h[1] = {mask_bytes(shift_right(w[0], 4), 0x0f)};
    low.add(l, q, j);
    high.add(h, q, j);
  }
  Ints total() {
    const Ints l = low.total(), h = high.total();
    return {_mm256_add_epi32(l.lo, _mm256_slli_epi32(h.lo, 4)), _mm256_add_epi32(l.hi, _mm256_slli_epi32(h.hi, 4))};
  }
};

// The form of an expanded panel: bytes as they are...
template <int kBits>
struct ByteForm {
  using Weights = Bytes;
  using Dot = Dots<kBits>;
  using Read = ByteForm;  // of an unpacked panel; how it was stored does not matter
  using Lane = std::int8_t;
  static constexpr bool kCentred = false;
  static constexpr std::int64_t kQuadBytes = 64;
  static void store(std::uint8_t* p, Bytes b) { store_bytes(p, b); }
  static Bytes load(const std::uint8_t* p) { return load_bytes(p); }
};

// ...or signed words, the even k of a quad apart from the odd ones: for 16-bit activations, and for 8-bit weights as
// many multiplications as two nibbles take, half the sums, and no offset to correct.
struct Words {
  Bytes even, odd;
};
struct WordDots {
  static constexpr int kStep = 1;
  __m256i lo = _mm256_setzero_si256(), hi = _mm256_setzero_si256();
  // q: per unit 8 pairs of even k, then 8 pairs of odd k.
  void add(const Words (&w)[1], const std::int16_t* q, int j) {
    const __m256i even = broadcast_word(q + 2 * j), odd = broadcast_word(q + 16 + 2 * j);
    lo = _mm256_add_epi32(lo, _mm256_madd_epi16(w[0].even.lo, even));
    hi = _mm256_add_epi32(hi, _mm256_madd_epi16(w[0].even.hi, even));
    pin(lo), pin(hi);
    lo = _mm256_add_epi32(lo, _mm256_madd_epi16(w[0].odd.lo, odd));
    hi = _mm256_add_epi32(hi, _mm256_madd_epi16(w[0].odd.hi, odd));
    pin(lo), pin(hi);
  }
  Ints total() { return {lo, hi}; }
};
template <int kOffset>
struct WordForm {
  using Weights = Words;
  using Dot = WordDots;
  using Read = WordForm<0>;
  using Lane = std::int16_t;
  static constexpr bool kCentred = true;
  static constexpr std::int64_t kQuadBytes = 128;
  static __m256i centre(__m256i words) {
    return kOffset == 0 ? words : _mm256_sub_epi16(words, _mm256_set1_epi16(kOffset));
  }
  static Words widen(Bytes b) {
    const __m256i byte = _mm256_set1_epi16(0x00ff);
    return {{_mm256_and_si256(b.lo, byte), _mm256_and_si256(b.hi, byte)},
            {_mm256_srli_epi16(b.lo, 8), _mm256_srli_epi16(b.hi, 8)}};
  }
  static void store(std::uint8_t* p, Bytes b) {
    const Words w = widen(b);
    store_bytes(p, {centre(w.even.lo), centre(w.even.hi)});
    store_bytes(p + 64, {centre(w.odd.lo), centre(w.odd.hi)});
  }
  static Words load(const std::uint8_t* p) { return {load_bytes(p), load_bytes(p + 64)}; }
  static void widen_rows(const std::int8_t* q, std::int64_t units, std::int16_t* out) {
    for (std::int64_t u = 0; u < units; ++u, q += kUnitDepth, out += kUnitDepth) {
      const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(q));
      store_words(out, _mm256_srai_epi16(_mm256_slli_epi16(b, 8), 8), _mm256_srai_epi16(b, 8));
    }
  }
  // Rounds 32 values to nearest even, stores them as words, and the sums of the first and the last 16.
  static void round_to_words(const Floats& a, const Floats& b, std::int16_t* out, std::int32_t* sum);
  static void store_words(std::int16_t* out, __m256i even, __m256i odd) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), even);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 16), odd);
  }
};

template <int kBits, int kOffset, ActivationMode kMode>
struct FormOf {
  using Type = WordForm<kOffset>;
};
template <int kBits, int kOffset>
struct FormOf<kBits, kOffset, ActivationMode::fast> {
  using Type = ByteForm<kBits>;
};
template <int kOffset>
struct FormOf<8, kOffset, ActivationMode::fast> {
  using Type = WordForm<kOffset>;
};

inline Ints add(Ints a, Ints b) { return {_mm256_add_epi32(a.lo, b.lo), _mm256_add_epi32(a.hi, b.hi)}; }
// 256 * high + low
inline Ints join_halves(Ints high, Ints low) {
  return {_mm256_add_epi32(_mm256_slli_epi32(high.lo, 8), low.lo),
          _mm256_add_epi32(_mm256_slli_epi32(high.hi, 8), low.hi)};
}
inline Ints broadcast_ints(std::int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
inline Floats to_floats(Ints a) { return {_mm256_cvtepi32_ps(a.lo), _mm256_cvtepi32_ps(a.hi)}; }

inline Floats zero_floats() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
inline Floats broadcast(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
inline Floats load_floats(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
inline void store_floats(float* p, Floats a) {
  _mm256_storeu_ps(p, a.lo);
  _mm256_storeu_ps(p + 8, a.hi);
}
inline Floats mul(Floats a, Floats b) { return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)}; }
inline Floats fma(Floats a, Floats b, Floats c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
inline Floats negate(Floats a) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_xor_ps(a.lo, sign), _mm256_xor_ps(a.hi, sign)};
}
inline __m128i load_16(const std::uint8_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
inline Floats load_halfs(const std::uint8_t* p) {
  return {_mm256_cvtph_ps(load_16(p)), _mm256_cvtph_ps(load_16(p + 16))};
}
inline Floats load_bf16(const std::uint8_t* p) {
  const __m256i lo = _mm256_slli_epi32(_mm256_cvtepu16_epi32(load_16(p)), 16);
  const __m256i hi = _mm256_slli_epi32(_mm256_cvtepu16_epi32(load_16(p + 16)), 16);
  return {_mm256_castsi256_ps(lo), _mm256_castsi256_ps(hi)};
}
inline Floats load_u8(const std::uint8_t* p) {
  const __m128i b = load_16(p);
  return to_floats({_mm256_cvtepu8_epi32(b), _mm256_cvtepu8_epi32(_mm_srli_si128(b, 8))});
}
inline Floats load_i8(const std::uint8_t* p) {
  const __m128i b = load_16(p);
  return to_floats({_mm256_cvtepi8_epi32(b), _mm256_cvtepi8_epi32(_mm_srli_si128(b, 8))});
}
inline float max_abs(Floats a, Floats b) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  const __m256 m = _mm256_max_ps(_mm256_max_ps(_mm256_andnot_ps(sign, a.lo), _mm256_andnot_ps(sign, a.hi)),
                                 _mm256_max_ps(_mm256_andnot_ps(sign, b.lo), _mm256_andnot_ps(sign, b.hi)));
  __m128 h = _mm_max_ps(_mm256_castps256_ps128(m), _mm256_extractf128_ps(m, 1));
  h = _mm_max_ps(h, _mm_movehl_ps(h, h));
  return _mm_cvtss_f32(_mm_max_ss(h, _mm_shuffle_ps(h, h, 1)));
}
// Sixteen int32 in -128..127 as bytes, in order.
inline void store_as_bytes(__m256i lo, __m256i hi, std::int8_t* q) {
  const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(lo, hi), 0xd8);
  const __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(q), bytes);
}
inline std::int32_t sum_of(__m256i lo, __m256i hi) {
  const __m256i s = _mm256_add_epi32(lo, hi);
  __m128i t = _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
  t = _mm_add_epi32(t, _mm_shuffle_epi32(t, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(t, _mm_shuffle_epi32(t, 0xb1)));
}
// Rounds 16 values to nearest even, stores them as int8, returns their sum.
inline std::int32_t round_to_bytes(Floats a, std::int8_t* q) {
  const __m256i lo = _mm256_cvtps_epi32(a.lo), hi = _mm256_cvtps_epi32(a.hi);
  store_as_bytes(lo, hi, q);
  return sum_of(lo, hi);
}
// Rounds 16 values to nearest even, stores them as 256 * high + low, returns their sum.
inline std::int32_t round_to_halves(Floats a, std::int8_t* high, std::int8_t* low) {
  const __m256i lo = _mm256_cvtps_epi32(a.lo), hi = _mm256_cvtps_epi32(a.hi), half = _mm256_set1_epi32(128);
  const __m256i top_lo = _mm256_srai_epi32(_mm256_add_epi32(lo, half), 8),
                top_hi = _mm256_srai_epi32(_mm256_add_epi32(hi, half), 8);
  store_as_bytes(top_lo, top_hi, high);
  store_as_bytes(_mm256_sub_epi32(lo, _mm256_slli_epi32(top_lo, 8)), _mm256_sub_epi32(hi, _mm256_slli_epi32(top_hi, 8)),
                 low);
  return sum_of(lo, hi);
}

// Eight int32 each within 16 bits -> the even ones, the odd ones, as int32 again.
inline Bytes split_even_odd(__m256i lo, __m256i hi) {
  const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(lo, hi), 0xd8);
  return {_mm256_srai_epi32(_mm256_slli_epi32(words, 16), 16), _mm256_srai_epi32(words, 16)};
}
inline __m256i join_words(__m256i first, __m256i second) {
  return _mm256_permute4x64_epi64(_mm256_packs_epi32(first, second), 0xd8);
}
template <int kOffset>
void WordForm<kOffset>::round_to_words(const Floats& a, const Floats& b, std::int16_t* out, std::int32_t* sum) {
  const __m256i a_lo = _mm256_cvtps_epi32(a.lo), a_hi = _mm256_cvtps_epi32(a.hi);
  const __m256i b_lo = _mm256_cvtps_epi32(b.lo), b_hi = _mm256_cvtps_epi32(b.hi);
  sum[0] = sum_of(a_lo, a_hi);
  sum[1] = sum_of(b_lo, b_hi);
  const Bytes first = split_even_odd(a_lo, a_hi), second = split_even_odd(b_lo, b_hi);
  store_words(out, join_words(first.lo, second.lo), join_words(first.hi, second.hi));
}

inline Floats add(Floats a, Floats b) { return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)}; }
inline Floats sub(Floats a, Floats b) { return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)}; }
inline Floats div(Floats a, Floats b) { return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)}; }
inline Floats max(Floats a, Floats b) { return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)}; }
inline Floats min(Floats a, Floats b) { return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)}; }
inline Floats round_even(Floats a) {
  constexpr int kNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return {_mm256_round_ps(a.lo, kNearest), _mm256_round_ps(a.hi, kNearest)};
}
// a * 2^n for whole n with a result in the normal range.
inline __m256 scale_half(__m256 a, __m256 n) {
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23)));
}
inline Floats scale_by_power(Floats a, Floats n) { return {scale_half(a.lo, n.lo), scale_half(a.hi, n.hi)}; }
inline float sum_lanes(Floats a) {
  const __m256 s = _mm256_add_ps(a.lo, a.hi);
  __m128 h = _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
  h = _mm_add_ps(h, _mm_movehl_ps(h, h));
  return _mm_cvtss_f32(_mm_add_ss(h, _mm_shuffle_ps(h, h, 1)));
}
inline float max_lanes(Floats a) {
  const __m256 s = _mm256_max_ps(a.lo, a.hi);
  __m128 h = _mm_max_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
  h = _mm_max_ps(h, _mm_movehl_ps(h, h));
  return _mm_cvtss_f32(_mm_max_ss(h, _mm_shuffle_ps(h, h, 1)));
}
// Sixteen pairs of bf16: the first of each pair, the second of each.
struct Pairs {
  Floats first, second;
};
inline Pairs load_pairs(const std::uint8_t* p) {
  const Bytes b = load_bytes(p);
  const __m256i high = _mm256_set1_epi32(static_cast<int>(0xffff0000u));
  return {{_mm256_castsi256_ps(_mm256_slli_epi32(b.lo, 16)), _mm256_castsi256_ps(_mm256_slli_epi32(b.hi, 16))},
          {_mm256_castsi256_ps(_mm256_and_si256(b.lo, high)), _mm256_castsi256_ps(_mm256_and_si256(b.hi, high))}};
}
// Sixteen pairs of signed words.
using WordPairs = Bytes;
inline __m256i words_of_nibbles(const std::uint8_t* p) {  // 8 bytes
  const __m256i two = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  return _mm256_srai_epi16(_mm256_or_si256(_mm256_slli_epi32(two, 12), _mm256_slli_epi32(two, 24)), 12);
}
template <int kBits>
inline WordPairs load_words(const std::uint8_t* p) {
  if constexpr (kBits == 8)
    return {_mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))),
            _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 16)))};
  else
    return {words_of_nibbles(p), words_of_nibbles(p + 8)};
}
inline WordPairs broadcast_words(const float* p) {
  const __m256i pair = broadcast_word(p);
  return {pair, pair};
}
using WordSums = Ints;
inline WordSums zero_word_sums() { return broadcast_ints(0); }
inline Floats floats_of_sums(const WordSums& sum) { return to_floats(sum); }
inline Ints dot_word_pairs(Ints sum, WordPairs a, WordPairs b) {
  return {_mm256_add_epi32(sum.lo, _mm256_madd_epi16(a.lo, b.lo)),
          _mm256_add_epi32(sum.hi, _mm256_madd_epi16(a.hi, b.hi))};
}
inline void store_words(std::int16_t* p, Floats a) {
  const __m256i words = _mm256_packs_epi32(_mm256_cvtps_epi32(a.lo), _mm256_cvtps_epi32(a.hi));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permute4x64_epi64(words, 0b11011000));
}
// Lane i of x where bit i of `lanes` is set, else of `otherwise`.
inline Floats keep_lanes(Floats x, std::uint32_t lanes, Floats otherwise) {
  const __m256i all = _mm256_set1_epi32(static_cast<int>(lanes));
  const __m256i low = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128), high = _mm256_slli_epi32(low, 8);
  const __m256i in_low = _mm256_cmpeq_epi32(_mm256_and_si256(all, low), low);
  const __m256i in_high = _mm256_cmpeq_epi32(_mm256_and_si256(all, high), high);
  return {_mm256_blendv_ps(otherwise.lo, x.lo, _mm256_castsi256_ps(in_low)),
          _mm256_blendv_ps(otherwise.hi, x.hi, _mm256_castsi256_ps(in_high))};
}

}  // namespace
}  // namespace heed
