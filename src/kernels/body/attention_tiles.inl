// attention_tiles.inl -- bf16 pages met by tile instructions: sixteen rows at once, however few there are. Included
// after attention_dot.inl. A row's sums do not depend on the rows beside it: a tile multiplies row by row (Intel SDM,
// TDPBF16PS: even and odd products of 32 values are summed apart, then joined and added).

constexpr std::int32_t kTileDepth = 32;  // values of the contraction in one product: 16 pairs
constexpr std::int32_t kHeight = kTileHeight;

// Tiles by number, because GCC's intrinsics take nothing else: 0 to 3 sums, 4 rows, 5 lines.
constexpr TileShapes kPageShapes = [] {
  TileShapes s;
  for (const int tile : {0, 1, 2, 3, 4, 5}) s.rows[tile] = kHeight, s.row_bytes[tile] = 64;
  return s;
}();

void enter_tiles() { use_shapes(kPageShapes); }
void leave_tiles() { _tile_release(); }

template <int kCount>
inline void zero_sums() {
  _tile_zero(0);
  if constexpr (kCount > 1) _tile_zero(1);
  if constexpr (kCount > 2) _tile_zero(2);
  if constexpr (kCount > 3) _tile_zero(3);
}

template <int kCount>
inline void load_sums(const float* p, std::int64_t stride) {
  _tile_loadd(0, p, stride);
  if constexpr (kCount > 1) _tile_loadd(1, p + 16, stride);
  if constexpr (kCount > 2) _tile_loadd(2, p + 32, stride);
  if constexpr (kCount > 3) _tile_loadd(3, p + 48, stride);
}

template <int kCount>
inline void store_sums(float* p, std::int64_t stride) {
  _tile_stored(0, p, stride);
  if constexpr (kCount > 1) _tile_stored(1, p + 16, stride);
  if constexpr (kCount > 2) _tile_stored(2, p + 32, stride);
  if constexpr (kCount > 3) _tile_stored(3, p + 48, stride);
}

// Sums 0 .. kCount-1 += rows x lines, over 32 values; a line holds 16 pairs for each of the sums.
template <int kCount>
inline void add_products(const void* rows, std::int64_t row_bytes, const std::uint8_t* lines, std::int64_t line_bytes) {
  _tile_loadd(4, rows, row_bytes);
  _tile_loadd(5, lines, line_bytes);
  _tile_dpbf16ps(0, 4, 5);
  if constexpr (kCount > 1) _tile_loadd(5, lines + 64, line_bytes);
  if constexpr (kCount > 1) _tile_dpbf16ps(1, 4, 5);
  if constexpr (kCount > 2) _tile_loadd(5, lines + 128, line_bytes);
  if constexpr (kCount > 2) _tile_dpbf16ps(2, 4, 5);
  if constexpr (kCount > 3) _tile_loadd(5, lines + 192, line_bytes);
  if constexpr (kCount > 3) _tile_dpbf16ps(3, 4, 5);
}

struct alignas(64) TileScores {
  float s[kHeight][kKeys];
};

inline void begin_scores(const PageTask& t, std::int32_t row) {
  constexpr std::int64_t kLineBytes = kKeys * 4;
  const float* q = t.q + std::int64_t{row} * t.k_dim;
  memory_is_used();
  zero_sums<4>();
  for (std::int32_t at = 0; at < t.k_dim; at += kTileDepth)
    add_products<4>(q + at / 2, std::int64_t{t.k_dim} * 4, t.k + at / 2 * kLineBytes, kLineBytes);
  memory_is_used();
}

inline void end_scores(TileScores& to) {
  memory_is_used();
  store_sums<4>(to.s[0], kKeys * 4);
  memory_is_used();
}

template <int kCount>
inline void tile_columns(const PageTask& t, std::int32_t row, std::int32_t column, const TileScores& p) {
  const std::int64_t o_bytes = std::int64_t{t.v_dim} * 4, line_bytes = std::int64_t{t.v_dim} * 4;
  float* o = t.o + std::int64_t{row} * t.v_dim + column;
  load_sums<kCount>(o, o_bytes);
  for (std::int32_t token = 0; token < kKeys; token += kTileDepth)
    add_products<kCount>(p.s[0] + token / 2, kKeys * 4, t.v + token / 2 * line_bytes + column * 4, line_bytes);
  store_sums<kCount>(o, o_bytes);
}

inline void tile_values(const PageTask& t, std::int32_t row, const TileScores& p) {
  memory_is_used();
  std::int32_t column = 0;
  for (; column + 64 <= t.v_dim; column += 64) tile_columns<4>(t, row, column, p);
  if (column + 48 == t.v_dim) tile_columns<3>(t, row, column, p);
  if (column + 32 == t.v_dim) tile_columns<2>(t, row, column, p);
  if (column + 16 == t.v_dim) tile_columns<1>(t, row, column, p);
  memory_is_used();
}

// 2^x for x <= 0, relative error <= 3e-6: what it makes is rounded to bf16. 2^n * p(f), |f| <= 1/2, as exp2_floats.
inline Floats exp2_of_score(Floats x) {
  const Floats t = max(x, broadcast(-125.0f));
  const Floats n = round_even(t);
  const Floats f = sub(t, n);
  Floats p = broadcast(9.58463992e-3f);
  p = fma(p, f, broadcast(5.59072424e-2f));
  p = fma(p, f, broadcast(2.40240605e-1f));
  p = fma(p, f, broadcast(6.93124024e-1f));
  p = fma(p, f, broadcast(1.0f));
  return scale_by_power(p, n);
}

// Probabilities of one row relative to `shift`, as pairs in the first half of its scores; returns their sums by lane.
inline Floats probability_pairs(const PageTask& t, std::int32_t row, float shift, float* s) {
  const Floats m = broadcast(shift);
  Floats p[4];
  for (int i = 0; i < 4; ++i) p[i] = exp2_of_score(sub(load_floats(s + 16 * i), m));
  const std::uint64_t visible = visible_to(t, row);
  if (visible != ~std::uint64_t{0})
    for (int i = 0; i < 4; ++i) p[i] = keep_lanes(p[i], lanes_of(visible, 16 * i), zero_floats());
  store_pairs(s, p[0], p[1]);
  store_pairs(s + 16, p[2], p[3]);
  return add(add(p[0], p[1]), add(p[2], p[3]));
}

// The next page's keys and values, a share with each row of this one.
class PageAhead {  // 64 tokens of bf16 are two lines of 64 bytes a dim
 public:
  explicit PageAhead(const PageTask& t)
      : k_(t.next_k),
        v_(t.next_v),
        k_end_(k_ + 128 * std::int64_t{t.k_dim}),
        v_end_(v_ + 128 * std::int64_t{t.v_dim}) {}
  void fetch() {
    for (const std::uint8_t* end = at_most(k_, k_end_); k_ < end; k_ += 64) __builtin_prefetch(k_, 0, 2);
    for (const std::uint8_t* end = at_most(v_, v_end_); v_ < end; v_ += 64) __builtin_prefetch(v_, 0, 2);
  }

 private:
  static constexpr std::int64_t kShare = 16 * 64;  // a tile's rows fetch a page of 128 dims
  static const std::uint8_t* at_most(const std::uint8_t* from, const std::uint8_t* end) {
    return from + kShare < end ? from + kShare : end;
  }
  const std::uint8_t *k_, *v_, *k_end_, *v_end_;
};

// softmax_row of attention.inl for a tile of rows: what is one number a row is worked out for all of them at once. Rows
// that see nothing, or are none of the task's, get probabilities of zero.
inline void softmax_tile(const PageTask& t, std::int32_t row, TileScores& scores, PageAhead& ahead) {
  const std::int32_t rows = t.rows - row < kHeight ? t.rows - row : kHeight;
  const auto sees = [&](std::int32_t r) { return r < rows && visible_to(t, row + r) != 0; };
  RowState* state = t.state + row;
  Floats by_lane[kHeight];
  alignas(64) float old_m[kHeight], m[kHeight], shrink[kHeight], sum[kHeight];
  for (std::int32_t r = 0; r < kHeight; ++r) {
    by_lane[r] = sees(r) ? adjusted_scores(t, row + r, scores.s[r]) : zero_floats();
    old_m[r] = sees(r) ? state[r].m : 0.0f;
  }
  const Floats was = load_floats(old_m), is = max(was, max_of_each(by_lane));
  store_floats(m, is);
  store_floats(shrink, exp2_floats(sub(was, is)));
  for (std::int32_t r = 0; r < kHeight; ++r) {
    ahead.fetch();
    if (!sees(r)) {
      by_lane[r] = zero_floats();
      store_pairs(scores.s[r], zero_floats(), zero_floats());
      store_pairs(scores.s[r] + 16, zero_floats(), zero_floats());
      continue;
    }
    by_lane[r] = probability_pairs(t, row + r, m[r], scores.s[r]);
    if (m[r] == old_m[r]) continue;
    float* o = t.o + std::int64_t{row + r} * t.v_dim;
    const Floats factor = broadcast(shrink[r]);
    for (std::int32_t i = 0; i < t.v_dim; i += 16) store_floats(o + i, mul(load_floats(o + i), factor));
  }
  store_floats(sum, sum_of_each(by_lane));
  for (std::int32_t r = 0; r < rows; ++r)
    if (sees(r)) state[r] = {m[r], state[r].l * shrink[r] + sum[r]};
}

// The first row at or after `row`, in steps of sixteen, whose tile holds one that sees something; t.rows if none does.
inline std::int32_t next_tile(const PageTask& t, std::int32_t row) {
  if (!t.visible) return row;
  for (; row < t.rows; row += kHeight)
    for (std::int32_t r = row; r < row + kHeight && r < t.rows; ++r)
      if (t.visible[r] != 0) return row;
  return t.rows;
}

// The scores of the next rows are on their way while these become probabilities; they are stored late, because a store
// that waits for its product fills the scheduler.
void tile_page(const PageTask& t) {
  if (t.k_dim % kTileDepth != 0) return page<DotLines>(t);
  TileScores scores[2];
  std::int32_t row = next_tile(t, 0);
  PageAhead ahead(t);
  begin_scores(t, row);
  end_scores(scores[0]);
  for (int at = 0; row < t.rows; at ^= 1) {
    const std::int32_t next = next_tile(t, row + kHeight);
    if (next < t.rows) begin_scores(t, next);
    softmax_tile(t, row, scores[at], ahead);
    if (next < t.rows) end_scores(scores[at ^ 1]);
    tile_values(t, row, scores[at]);
    row = next;
  }
}

constexpr AttentionTable kTileTable = [] {
  AttentionTable table = kTable<DotLines>;
  constexpr auto kBf16 = static_cast<std::size_t>(KvForm::bf16);
  table.page[kBf16] = tile_page;
  table.takes_sixteen[kBf16] = true;
  table.enter = enter_tiles, table.leave = leave_tiles;
  return table;
}();
