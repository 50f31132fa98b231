// simd_scalar.h -- sixteen lanes as plain arrays: any processor, and the easiest to read. The operations are kept out
// of line: inlined and unrolled they take minutes to compile, and nobody runs this table for its speed.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/body/matmul_table.h"
#include "kernels/dequantize.h"

namespace heed {
namespace {

constexpr int kTileRows = 4;
constexpr int kPairRows = 4;
constexpr int kTilePanels = 1;
constexpr std::int64_t kExpandRows = 8, kExpandRowsExact = 8;
constexpr std::int64_t kWordRows = 0;  // never: the halves are as fast

struct Bytes {
  std::uint8_t v[64];
};  // 16 columns x 4 k
struct Ints {
  std::int32_t v[16];
};
struct Floats {
  float v[16];
};

inline Bytes load_bytes(const std::uint8_t* p) {
  Bytes b;
  std::memcpy(b.v, p, 64);
  return b;
}
inline void store_bytes(std::uint8_t* p, const Bytes& b) { std::memcpy(p, b.v, 64); }
[[gnu::noinline]] inline Bytes mask_bytes(Bytes b, int mask) {
  for (auto& x : b.v) x = static_cast<std::uint8_t>(x & mask);
  return b;
}
[[gnu::noinline]] inline Bytes or_bytes(Bytes a, const Bytes& b) {
  for (int i = 0; i < 64; ++i) a.v[i] = static_cast<std::uint8_t>(a.v[i] | b.v[i]);
  return a;
}
[[gnu::noinline]] inline Bytes shift_right(Bytes b, int n) {
  for (auto& x : b.v) x = static_cast<std::uint8_t>(x >> n);
  return b;
}
[[gnu::noinline]] inline Bytes shift_left(Bytes b, int n) {
  for (auto& x : b.v) x = static_cast<std::uint8_t>(x << n);
  return b;
}
// values[code] for codes below 16.
[[gnu::noinline]] inline Bytes look_up(Bytes codes, const std::uint8_t* values) {
  for (auto& x : codes.v) x = values[x];
  return codes;
}

template <int kBits>
struct Dots {
  Ints sum = {};
  static constexpr int kStep = 1;
  [[gnu::noinline]] void add(const Bytes (&w)[1], const std::int8_t* q, int j) {
    for (int c = 0; c < 16; ++c)
      for (int i = 0; i < 4; ++i) sum.v[c] += w[0].v[4 * c + i] * q[4 * j + i];
  }
  Ints total() { return sum; }
};

template <int kBits>
struct ByteForm {
  using Weights = Bytes;
  using Dot = Dots<kBits>;
  using Read = ByteForm<8>;
  using Lane = std::int8_t;
  static constexpr bool kCentred = false;
  static constexpr std::int64_t kQuadBytes = 64;
  static void store(std::uint8_t* p, const Bytes& b) { store_bytes(p, b); }
  static Bytes load(const std::uint8_t* p) { return load_bytes(p); }
};

template <int kBits, int, ActivationMode>
struct FormOf {
  using Type = ByteForm<kBits>;
};

template <class F>
Floats each(F f) {
  Floats out;
  for (int i = 0; i < 16; ++i) out.v[i] = f(i);
  return out;
}
[[gnu::noinline]] inline Ints add(Ints a, const Ints& b) {
  for (int i = 0; i < 16; ++i) a.v[i] += b.v[i];
  return a;
}
// 256 * high + low
[[gnu::noinline]] inline Ints join_halves(Ints high, const Ints& low) {
  for (int i = 0; i < 16; ++i) high.v[i] = 256 * high.v[i] + low.v[i];
  return high;
}
inline Ints broadcast_ints(std::int32_t x) {
  Ints a;
  for (auto& v : a.v) v = x;
  return a;
}
[[gnu::noinline]] inline Floats to_floats(const Ints& a) {
  return each([&](int i) { return static_cast<float>(a.v[i]); });
}
inline Floats zero_floats() { return {}; }
[[gnu::noinline]] inline Floats broadcast(float x) {
  return each([&](int) { return x; });
}
inline Floats load_floats(const float* p) {
  return each([&](int i) { return p[i]; });
}
inline void store_floats(float* p, const Floats& a) { std::memcpy(p, a.v, 64); }
[[gnu::noinline]] inline Floats mul(const Floats& a, const Floats& b) {
  return each([&](int i) { return a.v[i] * b.v[i]; });
}
[[gnu::noinline]] inline Floats fma(const Floats& a, const Floats& b, const Floats& c) {
  return each([&](int i) { return std::fma(a.v[i], b.v[i], c.v[i]); });
}
[[gnu::noinline]] inline Floats negate(const Floats& a) {
  return each([&](int i) { return -a.v[i]; });
}
inline std::uint16_t load_word(const std::uint8_t* p) {
  std::uint16_t w;
  std::memcpy(&w, p, 2);
  return w;
}
[[gnu::noinline]] inline Floats load_halfs(const std::uint8_t* p) {
  return each([&](int i) { return half_to_float(load_word(p + 2 * i)); });
}
[[gnu::noinline]] inline Floats load_bf16(const std::uint8_t* p) {
  return each([&](int i) { return bf16_to_float(load_word(p + 2 * i)); });
}
[[gnu::noinline]] inline Floats load_u8(const std::uint8_t* p) {
  return each([&](int i) { return static_cast<float>(p[i]); });
}
[[gnu::noinline]] inline Floats load_i8(const std::uint8_t* p) {
  return each([&](int i) { return static_cast<float>(static_cast<std::int8_t>(p[i])); });
}
inline float max_abs(const Floats& a, const Floats& b) {
  float m = 0;
  for (int i = 0; i < 16; ++i) m = std::max({m, std::fabs(a.v[i]), std::fabs(b.v[i])});
  return m;
}
inline std::int32_t round_to_bytes(const Floats& a, std::int8_t* q) {
  std::int32_t sum = 0;
  for (int i = 0; i < 16; ++i) {
    const float n = std::nearbyint(a.v[i]);
    q[i] = n >= -128 && n <= 127 ? static_cast<std::int8_t>(n) : std::int8_t{-128};  // NaN, as the vector units do it
    sum += q[i];
  }
  return sum;
}
inline std::int32_t round_to_halves(const Floats& a, std::int8_t* high, std::int8_t* low) {
  std::int32_t sum = 0;
  for (int i = 0; i < 16; ++i) {
    const float n = std::nearbyint(a.v[i]);
    const std::int32_t word = n >= -32768 && n <= 32767 ? static_cast<std::int32_t>(n) : -32768;  // NaN, likewise
    const std::int32_t top = (word + 128) >> 8;
    high[i] = static_cast<std::int8_t>(top);
    low[i] = static_cast<std::int8_t>(word - 256 * top);
    sum += word;
  }
  return sum;
}

[[gnu::noinline]] inline Floats add(const Floats& a, const Floats& b) {
  return each([&](int i) { return a.v[i] + b.v[i]; });
}
[[gnu::noinline]] inline Floats sub(const Floats& a, const Floats& b) {
  return each([&](int i) { return a.v[i] - b.v[i]; });
}
[[gnu::noinline]] inline Floats div(const Floats& a, const Floats& b) {
  return each([&](int i) { return a.v[i] / b.v[i]; });
}
[[gnu::noinline]] inline Floats max(const Floats& a, const Floats& b) {
  return each([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
}
[[gnu::noinline]] inline Floats min(const Floats& a, const Floats& b) {
  return each([&](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
}
[[gnu::noinline]] inline Floats round_even(const Floats& a) {
  return each([&](int i) { return std::nearbyint(a.v[i]); });
}
// a * 2^n for whole n with a result in the normal range.
[[gnu::noinline]] inline Floats scale_by_power(const Floats& a, const Floats& n) {
  return each([&](int i) { return std::ldexp(a.v[i], static_cast<int>(n.v[i])); });
}
// Lanes are joined in halves, as the vector units do it.
template <class F>
float fold(Floats a, F f) {
  for (int width = 8; width > 0; width /= 2)
    for (int i = 0; i < width; ++i) a.v[i] = f(a.v[i], a.v[i + width]);
  return a.v[0];
}
[[gnu::noinline]] inline float sum_lanes(const Floats& a) {
  return fold(a, [](float x, float y) { return x + y; });
}
[[gnu::noinline]] inline float max_lanes(const Floats& a) {
  return fold(a, [](float x, float y) { return x > y ? x : y; });
}
// Sixteen pairs of bf16: the first of each pair, the second of each.
struct Pairs {
  Floats first, second;
};
[[gnu::noinline]] inline Pairs load_pairs(const std::uint8_t* p) {
  return {each([&](int i) { return bf16_to_float(load_word(p + 4 * i)); }),
          each([&](int i) { return bf16_to_float(load_word(p + 4 * i + 2)); })};
}
// Sixteen pairs of signed words.
struct WordPairs {
  std::int16_t v[32];
};
template <int kBits>
[[gnu::noinline]] WordPairs load_words(const std::uint8_t* p) {
  WordPairs w;
  for (int i = 0; i < 32; ++i)
    if constexpr (kBits == 8)
      w.v[i] = static_cast<std::int8_t>(p[i]);
    else
      w.v[i] = static_cast<std::int16_t>(static_cast<std::int8_t>(i % 2 == 0 ? p[i / 2] << 4 : p[i / 2]) >> 4);
  return w;
}
inline WordPairs broadcast_words(const float* p) {
  WordPairs w;
  for (int i = 0; i < 16; ++i) std::memcpy(w.v + 2 * i, p, 4);
  return w;
}
using WordSums = Ints;
inline WordSums zero_word_sums() { return broadcast_ints(0); }
inline Floats floats_of_sums(const WordSums& sum) { return to_floats(sum); }
[[gnu::noinline]] inline Ints dot_word_pairs(Ints sum, const WordPairs& a, const WordPairs& b) {
  for (int i = 0; i < 32; ++i) sum.v[i / 2] += a.v[i] * b.v[i];
  return sum;
}
inline void store_words(std::int16_t* p, const Floats& a) {
  for (int i = 0; i < 16; ++i) {
    const float n = std::nearbyint(a.v[i]);
    p[i] = n >= -32768 && n <= 32767 ? static_cast<std::int16_t>(n) : std::int16_t{-32768};  // NaN, likewise
  }
}
// Lane i of x where bit i of `lanes` is set, else of `otherwise`.
[[gnu::noinline]] inline Floats keep_lanes(const Floats& x, std::uint32_t lanes, const Floats& otherwise) {
  return each([&](int i) { return lanes >> i & 1 ? x.v[i] : otherwise.v[i]; });
}

}  // namespace
}  // namespace heed
