// attention.inl -- the page step, written once. Included like matmul.inl.
//
// Scores and values are the same product: [rows, n] floats times n/2 lines of bf16 pairs (or n lines of floats),
// sixteen columns at a time. A row's sums run over n in order, so its bits do not depend on the other rows.
#include "kernels/body/math.inl"

constexpr std::int32_t kKeys = 64;

constexpr std::int64_t kColumnBytes = 4;  // of a line: one bf16 pair, or one float

// acc[kRows][16] += a[kRows][n] x b; `b` points at the strip's first column, lines are `line_bytes` apart.
template <DType kType, int kRows>
void strip(const float* a, std::int64_t a_stride, std::int32_t n, const std::uint8_t* b, std::int64_t line_bytes,
           Floats* acc) {
  if constexpr (kType == DType::bf16) {
    for (std::int32_t i = 0; i < n; i += 2, b += line_bytes) {
      const Pairs pair = load_pairs(b);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        acc[r] = fma(broadcast(a[r * a_stride + i]), pair.first, acc[r]);
        acc[r] = fma(broadcast(a[r * a_stride + i + 1]), pair.second, acc[r]);
      }
    }
  } else {
    for (std::int32_t i = 0; i < n; ++i, b += line_bytes) {
      const Floats line = load_floats(reinterpret_cast<const float*>(b));
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) acc[r] = fma(broadcast(a[r * a_stride + i]), line, acc[r]);
    }
  }
}

template <DType kType, int kRows>
void scores_of(const PageTask& t, std::int32_t row, float (*s)[kKeys]) {
  for (std::int32_t column = 0; column < kKeys; column += 16) {
    Floats acc[kRows];
    for (int r = 0; r < kRows; ++r) acc[r] = zero_floats();
    strip<kType, kRows>(t.q + row * t.k_dim, t.k_dim, t.k_dim, t.k + column * kColumnBytes, kKeys * kColumnBytes, acc);
    for (int r = 0; r < kRows; ++r) store_floats(s[r] + column, acc[r]);
  }
}

template <DType kType, int kRows>
void add_values(const PageTask& t, std::int32_t row, const float (*p)[kKeys]) {
  for (std::int32_t column = 0; column < t.v_dim; column += 16) {
    float* o = t.o + row * t.v_dim + column;
    Floats acc[kRows];
    for (int r = 0; r < kRows; ++r) acc[r] = load_floats(o + r * t.v_dim);
    strip<kType, kRows>(p[0], kKeys, kKeys, t.v + column * kColumnBytes, t.v_dim * kColumnBytes, acc);
    for (int r = 0; r < kRows; ++r) store_floats(o + r * t.v_dim, acc[r]);
  }
}

void scale_floats(float* x, float factor, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += 16) store_floats(x + i, mul(load_floats(x + i), broadcast(factor)));
}

void blend_floats(float* x, float a, const float* y, float b, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += 16)
    store_floats(x + i, fma(load_floats(x + i), broadcast(a), mul(load_floats(y + i), broadcast(b))));
}

void adjust_scores(const PageTask& t, std::int32_t row, float* s) {
  const std::uint64_t visible = t.visible[row];
  for (std::int32_t c = 0; c < kKeys; c += 16) {
    Floats x = load_floats(s + c);
    if (t.bias) x = add(x, load_floats(t.bias + row * kKeys + c));
    if (t.softcap > 0) x = mul(broadcast(t.softcap), tanh_floats(mul(x, broadcast(1.0f / t.softcap))));
    store_floats(s + c, x);
  }
  if (visible == ~std::uint64_t{0}) return;
  for (std::int32_t c = 0; c < kKeys; ++c)
    if (!(visible >> c & 1)) s[c] = -__builtin_inff();
}

// Scores become probabilities relative to the row's running maximum, which grows first if it must.
void softmax_row(const PageTask& t, std::int32_t row, float* s) {
  adjust_scores(t, row, s);
  Floats top = load_floats(s);
  for (std::int32_t c = 16; c < kKeys; c += 16) top = max(top, load_floats(s + c));
  const float highest = max_lanes(top);
  RowState& state = t.state[row];
  if (highest > state.m) {
    alignas(64) float change[16];
    store_floats(change, exp_floats(broadcast(state.m - highest)));
    const float shrink = state.l > 0 ? change[0] : 0.0f;
    state.l *= shrink;
    scale_floats(t.o + row * t.v_dim, shrink, t.v_dim);
    state.m = highest;
  }
  const Floats m = broadcast(state.m);
  Floats sum = zero_floats();
  for (std::int32_t c = 0; c < kKeys; c += 16) {
    const Floats p = exp_floats(sub(load_floats(s + c), m));
    store_floats(s + c, p);
    sum = add(sum, p);
  }
  if (t.visible[row] == ~std::uint64_t{0}) {
    state.l += sum_lanes(sum);
    return;
  }
  sum = zero_floats();
  for (std::int32_t c = 0; c < kKeys; ++c)
    if (!(t.visible[row] >> c & 1)) s[c] = 0.0f;
  for (std::int32_t c = 0; c < kKeys; c += 16) sum = add(sum, load_floats(s + c));
  state.l += sum_lanes(sum);
}

template <DType kType, int kRows>
void page_rows(const PageTask& t, std::int32_t row) {
  alignas(64) float s[kRows][kKeys];
  scores_of<kType, kRows>(t, row, s);
  for (int r = 0; r < kRows; ++r) {
    if (t.visible[row + r] != 0)
      softmax_row(t, row + r, s[r]);
    else
      __builtin_memset(s[r], 0, sizeof s[r]);
  }
  add_values<kType, kRows>(t, row, s);
}

template <DType kType>
void page(const PageTask& t) {
  std::int32_t row = 0;
  for (; row + kTileRows <= t.rows; row += kTileRows) page_rows<kType, kTileRows>(t, row);
  for (; row + 4 <= t.rows; row += 4) page_rows<kType, 4>(t, row);
  switch (t.rows - row) {
    case 3:
      page_rows<kType, 3>(t, row);
      break;
    case 2:
      page_rows<kType, 2>(t, row);
      break;
    case 1:
      page_rows<kType, 1>(t, row);
      break;
    default:
      break;
  }
}

constexpr AttentionTable kTable = {page<DType::f32>, page<DType::bf16>, scale_floats, blend_floats};
