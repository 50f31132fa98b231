// attention.inl -- the page step, written once. Included like matmul.inl, after kQueryRows, tile_width() and (where the
// processor multiplies bf16 pairs) DotLines are chosen by the instruction set's unit.
//
// Scores and values are the same product: [rows, n] numbers times n lines of 16-lane vectors. A row's sums run over the
// lines in order, so its bits do not depend on the other rows or on the tile.
#include "kernels/body/math.inl"

constexpr std::int32_t kKeys = 64;

// How one line of b meets the rows' numbers: acc[r][w] += a[r] x line[w]. Sums are floats, or integers that a scale of
// the row and, for keys, one of the column turn into floats.
template <std::int64_t kBytes>
struct SingleLines {
  static constexpr std::int64_t kColumnBytes = kBytes;  // of a line
  static constexpr std::int32_t kValues = 1;            // of the contraction, per line
  static constexpr std::int32_t kFloats = 1;            // of a row of `a`, per line
  using Sum = Floats;
  static Floats load(const std::uint8_t* b) {
    if constexpr (kBytes == 2) return load_halfs(b);
    return load_floats(reinterpret_cast<const float*>(b));
  }
  template <int kRows, int kWide>
  static void step(const float* a, std::int64_t a_stride, const std::uint8_t* b, Floats (*acc)[kWide]) {
    Floats line[kWide];
    for (int w = 0; w < kWide; ++w) line[w] = load(b + 16 * kBytes * w);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const Floats x = broadcast(a[r * a_stride]);
      for (int w = 0; w < kWide; ++w) acc[r][w] = fma(x, line[w], acc[r][w]);
    }
  }
  static void pack(float*, std::int64_t, const std::uint8_t*) {}
};
using FloatLines = SingleLines<4>;
using HalfLines = SingleLines<2>;  // f16 widened to floats

struct PairLines {  // bf16 pairs widened to floats
  static constexpr std::int64_t kColumnBytes = 4;
  static constexpr std::int32_t kValues = 2;
  static constexpr std::int32_t kFloats = 2;
  using Sum = Floats;
  static constexpr void (*kPackQueries)(float*, std::int64_t, std::int64_t) = nullptr;
  template <int kRows, int kWide>
  static void step(const float* a, std::int64_t a_stride, const std::uint8_t* b, Floats (*acc)[kWide]) {
    Pairs line[kWide];
    for (int w = 0; w < kWide; ++w) line[w] = load_pairs(b + 64 * w);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const Floats x = broadcast(a[r * a_stride]);
      for (int w = 0; w < kWide; ++w) acc[r][w] = fma(x, line[w].first, acc[r][w]);
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const Floats x = broadcast(a[r * a_stride + 1]);
      for (int w = 0; w < kWide; ++w) acc[r][w] = fma(x, line[w].second, acc[r][w]);
    }
  }
  static void pack(float*, std::int64_t, const std::uint8_t*) {}
};

// x [n] becomes n words in place, scaled so that the largest is `levels`; x[n/2] is then what a word is worth.
inline void pack_words(float* x, std::int64_t n, float levels) {
  float top = 0;
  for (std::int64_t i = 0; i < n; i += 16) {
    const Floats a = load_floats(x + i);
    const float t = max_abs(a, a);
    top = t > top ? t : top;
  }
  constexpr float kSmallest = 1e-30f;  // below it levels / top overflows; such a row counts as zeros
  const Floats inverse = broadcast(top > kSmallest ? levels / top : 0.0f);
  auto* words = reinterpret_cast<std::int16_t*>(x);
  for (std::int64_t i = 0; i < n; i += 16) store_words(words + i, mul(load_floats(x + i), inverse));
  x[n / 2] = top / levels;
}

// Integers of 8 or 4 bits in pairs, with a scale a token: exact dot products with the rows' words.
template <int kBits>
struct WordLines {
  static constexpr std::int64_t kColumnBytes = kBits / 4;
  static constexpr std::int32_t kValues = 2;
  static constexpr std::int32_t kFloats = 1;  // one pair of words
  using Sum = WordSums;
  template <int kRows, int kWide>
  static void step(const float* a, std::int64_t a_stride, const std::uint8_t* b, WordSums (*acc)[kWide]) {
    WordPairs line[kWide];
    for (int w = 0; w < kWide; ++w) line[w] = load_words<kBits>(b + 16 * kColumnBytes * w);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const WordPairs x = broadcast_words(a + r * a_stride);
      for (int w = 0; w < kWide; ++w) acc[r][w] = dot_word_pairs(acc[r][w], x, line[w]);
    }
  }
  // Probabilities take their tokens' scales on. 64 x 32767 x 127 fits 32 bits.
  static void pack(float* p, std::int64_t n, const std::uint8_t* scales) {
    for (std::int64_t i = 0; i < n; i += 16) store_floats(p + i, mul(load_floats(p + i), load_halfs(scales + 2 * i)));
    pack_words(p, n, 32767.0f);
  }
};

// kMostHeadDim x 16383 x 127 fits 32 bits.
void pack_query_words(float* q, std::int64_t rows, std::int64_t dim) {
  for (std::int64_t r = 0; r < rows; ++r) pack_words(q + r * dim, dim, 16383.0f);
}

template <class Lines>
constexpr bool kIsScaled = false;
template <int kBits>
constexpr bool kIsScaled<WordLines<kBits>> = true;
inline Floats zero_of(Floats) { return zero_floats(); }
inline WordSums zero_of(const WordSums&) { return zero_word_sums(); }

// Memory that is wanted soon, fetched a few cache lines at every step of the current product: the products walk a page
// in strips, which the processor's own prefetching does not follow.
struct Ahead {
  const std::uint8_t* at;
  std::int64_t stride;  // what a step reads of one line, or 0: nothing more to fetch

  template <int kLines>
  void fetch() {
    for (int i = 0; i < kLines; ++i) __builtin_prefetch(at + i * stride, 0, 2);
    at += kLines * stride;
  }
};

// acc[kRows][kWide] += a [kRows][lines] x b; `b` points at the tile's first column, lines are `line_bytes` apart.
template <class Lines, int kRows, int kWide>
inline void accumulate(const float* a, std::int64_t a_stride, std::int32_t lines, const std::uint8_t* b,
                       std::int64_t line_bytes, typename Lines::Sum (*acc)[kWide], Ahead& ahead) {
  for (std::int32_t i = 0; i < lines; ++i, a += Lines::kFloats, b += line_bytes) {
    ahead.fetch<kWide>();
    Lines::template step<kRows, kWide>(a, a_stride, b, acc);
  }
}

template <class Lines, int kRows>
void scores_of(const PageTask& t, std::int32_t row, float (*s)[kKeys]) {
  constexpr int kWide = tile_width(kRows);
  Ahead ahead{t.next_k, row == 0 ? 16 * Lines::kColumnBytes : 0};
  for (std::int32_t column = 0; column < kKeys; column += 16 * kWide) {
    typename Lines::Sum acc[kRows][kWide];
    for (int r = 0; r < kRows; ++r)
      for (int w = 0; w < kWide; ++w) acc[r][w] = zero_of(typename Lines::Sum{});
    accumulate<Lines, kRows, kWide>(t.q + row * t.k_dim, t.k_dim, t.k_dim / Lines::kValues,
                                    t.k + column * Lines::kColumnBytes, kKeys * Lines::kColumnBytes, acc, ahead);
    for (int w = 0; w < kWide; ++w) {
      if constexpr (kIsScaled<Lines>) {
        const std::uint8_t* scales = t.k + kKeys / 2 * Lines::kColumnBytes * t.k_dim;
        const Floats worth = load_halfs(scales + 2 * (column + 16 * w));
        for (int r = 0; r < kRows; ++r)
          store_floats(s[r] + column + 16 * w,
                       mul(floats_of_sums(acc[r][w]), mul(worth, broadcast(t.q[(row + r) * t.k_dim + t.k_dim / 2]))));
      } else {
        for (int r = 0; r < kRows; ++r) store_floats(s[r] + column + 16 * w, acc[r][w]);
      }
    }
  }
}

template <class Lines, int kRows, int kWide>
inline void add_columns(const PageTask& t, std::int32_t row, std::int32_t column, const float (*p)[kKeys],
                        Ahead& ahead) {
  float* o = t.o + row * t.v_dim + column;
  typename Lines::Sum acc[kRows][kWide];
  for (int r = 0; r < kRows; ++r)
    for (int w = 0; w < kWide; ++w)
      if constexpr (kIsScaled<Lines>)
        acc[r][w] = zero_word_sums();
      else
        acc[r][w] = load_floats(o + r * t.v_dim + 16 * w);
  accumulate<Lines, kRows, kWide>(p[0], kKeys, kKeys / Lines::kValues, t.v + column * Lines::kColumnBytes,
                                  t.v_dim * Lines::kColumnBytes, acc, ahead);
  for (int r = 0; r < kRows; ++r)
    for (int w = 0; w < kWide; ++w) {
      float* to = o + r * t.v_dim + 16 * w;
      if constexpr (kIsScaled<Lines>)
        store_floats(to, fma(floats_of_sums(acc[r][w]), broadcast(p[r][kKeys / 2]), load_floats(to)));
      else
        store_floats(to, acc[r][w]);
    }
}

template <class Lines, int kRows>
void add_values(const PageTask& t, std::int32_t row, const float (*p)[kKeys]) {
  constexpr int kWide = tile_width(kRows);
  Ahead ahead{t.next_v, row == 0 ? 16 * Lines::kColumnBytes : 0};
  std::int32_t column = 0;
  for (; column + 16 * kWide <= t.v_dim; column += 16 * kWide)
    add_columns<Lines, kRows, kWide>(t, row, column, p, ahead);
  if constexpr (kWide > 1)
    for (; column < t.v_dim; column += 16) add_columns<Lines, kRows, 1>(t, row, column, p, ahead);
}

void finish_floats(const float* x, float factor, std::int64_t n, float* out) {
  // Adding +0 turns -0 into +0: which of the two a sum of nothing is would depend on the pages that were skipped.
  for (std::int64_t i = 0; i < n; i += 16)
    store_floats(out + i, add(mul(load_floats(x + i), broadcast(factor)), zero_floats()));
}

void blend_floats(float* x, float a, const float* y, float b, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += 16)
    store_floats(x + i, fma(load_floats(x + i), broadcast(a), mul(load_floats(y + i), broadcast(b))));
}

inline std::uint64_t visible_to(const PageTask& t, std::int32_t row) {
  return t.visible ? t.visible[row] : ~std::uint64_t{0};
}

inline std::uint32_t lanes_of(std::uint64_t visible, std::int32_t column) {
  return static_cast<std::uint32_t>(visible >> column) & 0xffffu;
}

inline Floats greatest_by_lane(const float* s) {
  return max(max(load_floats(s), load_floats(s + 16)), max(load_floats(s + 32), load_floats(s + 48)));
}

// Shift, bias, softcap and mask of one row, each behind one branch. Returns the highest scores by lane.
inline Floats adjusted_scores(const PageTask& t, std::int32_t row, float* s) {
  if (t.shift)
    for (std::int32_t c = 0; c < kKeys; c += 16) store_floats(s + c, add(load_floats(s + c), broadcast(t.shift[row])));
  if (t.bias)
    for (std::int32_t c = 0; c < kKeys; c += 16)
      store_floats(s + c, add(load_floats(s + c), load_floats(t.bias + row * kKeys + c)));
  if (t.softcap > 0)
    for (std::int32_t c = 0; c < kKeys; c += 16)
      store_floats(s + c, mul(broadcast(t.softcap), tanh_floats(mul(load_floats(s + c), broadcast(1.0f / t.softcap)))));
  const std::uint64_t visible = visible_to(t, row);
  if (visible != ~std::uint64_t{0})
    for (std::int32_t c = 0; c < kKeys; c += 16)
      store_floats(s + c, keep_lanes(load_floats(s + c), lanes_of(visible, c), broadcast(-__builtin_inff())));
  return greatest_by_lane(s);
}

// s = 2^(s - shift), 0 for hidden keys; returns the sum.
inline float exponentials(const PageTask& t, std::int32_t row, float shift, float* s) {
  const Floats m = broadcast(shift);
  Floats p[4];
  for (int i = 0; i < 4; ++i) p[i] = exp2_floats(sub(load_floats(s + 16 * i), m));
  const std::uint64_t visible = visible_to(t, row);
  if (visible != ~std::uint64_t{0})
    for (int i = 0; i < 4; ++i) p[i] = keep_lanes(p[i], lanes_of(visible, 16 * i), zero_floats());
  for (int i = 0; i < 4; ++i) store_floats(s + 16 * i, p[i]);
  return sum_lanes(add(add(p[0], p[1]), add(p[2], p[3])));
}

// Scores become probabilities relative to the row's running maximum, which grows first if it must.
inline void softmax_row(const PageTask& t, std::int32_t row, float* s) {
  const float highest = max_lanes(adjusted_scores(t, row, s));
  RowState& state = t.state[row];
  if (highest > state.m) {
    alignas(64) float change[16];
    store_floats(change, exp2_floats(broadcast(state.m - highest)));
    const Floats shrink = broadcast(state.l > 0 ? change[0] : 0.0f);
    state.l *= state.l > 0 ? change[0] : 0.0f;
    state.m = highest;
    float* o = t.o + row * t.v_dim;
    for (std::int32_t i = 0; i < t.v_dim; i += 16) store_floats(o + i, mul(load_floats(o + i), shrink));
  }
  state.l += exponentials(t, row, state.m, s);
}

template <class K, class V>
struct KvLines {
  using Keys = K;
  using Values = V;
};

struct PageStep {
  const PageTask& task;

  template <class Lines, int kRows>
  void rows(std::int32_t row) const {
    using Values = typename Lines::Values;
    alignas(64) float s[kRows][kKeys];
    scores_of<typename Lines::Keys, kRows>(task, row, s);
    for (int r = 0; r < kRows; ++r) {
      if (visible_to(task, row + r) != 0)
        softmax_row(task, row + r, s[r]);
      else
        __builtin_memset(s[r], 0, sizeof s[r]);
      Values::pack(s[r], kKeys, task.v + kKeys / 2 * Values::kColumnBytes * task.v_dim);
    }
    add_values<Values, kRows>(task, row, s);
  }
};

struct ProbabilityStep {
  const PageTask& task;
  const float* lse;  // [rows]
  float* p;          // [rows, 64]

  template <class Lines, int kRows>
  void rows(std::int32_t row) const {
    alignas(64) float s[kRows][kKeys];
    scores_of<typename Lines::Keys, kRows>(task, row, s);
    for (int r = 0; r < kRows; ++r) {
      adjusted_scores(task, row + r, s[r]);
      exponentials(task, row + r, lse[row + r], s[r]);
    }
    __builtin_memcpy(p + row * kKeys, s, sizeof s);
  }
};

template <class Lines, int kRows, class Step>
void run_rows(const Step& step, std::int32_t row, std::int32_t count) {
  if (count == kRows) return step.template rows<Lines, kRows>(row);
  if constexpr (kRows > 1) run_rows<Lines, kRows - 1>(step, row, count);
}

// Tiles of at most kQueryRows rows; the last two share what is left evenly (7 = 4 + 3, not 6 + 1).
template <class Lines, class Step>
void run_tiles(const Step& step, std::int32_t rows) {
  for (std::int32_t row = 0; row < rows;) {
    const std::int32_t left = rows - row;
    std::int32_t count = left < kQueryRows ? left : kQueryRows;
    if (left > kQueryRows && left < 2 * kQueryRows) count = (left + 1) / 2;
    run_rows<Lines, kQueryRows>(step, row, count);
    row += count;
  }
}

template <class Keys, class Values = Keys>
void page(const PageTask& t) {
  run_tiles<KvLines<Keys, Values>>(PageStep{t}, t.rows);
}

template <class Keys>
void probabilities(const PageTask& t, const float* lse, float* p) {
  run_tiles<KvLines<Keys, Keys>>(ProbabilityStep{t, lse, p}, t.rows);
}

template <class Bf16Lines>
constexpr AttentionTable kTable = {
    {page<FloatLines>, page<HalfLines>, page<Bf16Lines>, page<WordLines<8>>, page<WordLines<8>, WordLines<4>>},
    {},
    32,
    0,
    {probabilities<FloatLines>, probabilities<HalfLines>, probabilities<Bf16Lines>, probabilities<WordLines<8>>,
     probabilities<WordLines<8>>},
    {nullptr, nullptr, Bf16Lines::kPackQueries, pack_query_words, pack_query_words},
    finish_floats,
    blend_floats,
    nullptr,
    nullptr};
