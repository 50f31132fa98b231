// attention_tiles.inl -- bf16 pages met by tile instructions: sixteen rows at once, however few there are. Included
// after attention_dot.inl. A row's sums do not depend on the rows beside it: a tile multiplies row by row (Intel SDM,
// TDPBF16PS: even and odd products of 32 values are summed apart, then joined and added).

constexpr std::int32_t kTileDepth = 32;  // values of the contraction in one product: 16 pairs

// Tiles by number, because GCC's intrinsics take nothing else: 0 to 3 sums, 4 rows, 5 lines.
constexpr TileShapes kPageShapes = [] {
  TileShapes s;
  for (const int tile : {0, 1, 2, 3, 4, 5}) s.rows[tile] = kTileHeight, s.row_bytes[tile] = 64;
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
  float s[kTileHeight][kKeys];
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

// 2^x, relative error <= 3e-6: what it makes is rounded to bf16. 2^n * p(f), n = floor(x), f = x - n; p is the
// polynomial of degree 4 whose greatest relative error over [0, 1] is least.
inline Floats exp2_of_score(Floats x) {
  const Floats f = above_floor(x);
  Floats p = broadcast(1.35341395e-2f);
  p = fma(p, f, broadcast(5.20115153e-2f));
  p = fma(p, f, broadcast(2.41442725e-1f));
  p = fma(p, f, broadcast(6.9300384e-1f));
  p = fma(p, f, broadcast(1.00000259f));
  return scale_by_floor(p, x);
}

// Probabilities of one row relative to `shift`, as pairs in the first half of its scores; returns their sums by lane.
inline Floats probability_pairs(float shift, std::uint64_t visible, float* s) {
  const Floats m = broadcast(shift);
  Floats p[4];
  for (int i = 0; i < 4; ++i) p[i] = exp2_of_score(sub(load_floats(s + 16 * i), m));
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

// A row's maximum stays until a score is this much greater (in powers of two): probabilities up to 256 are as exact,
// and sums are seldom scaled anew.
constexpr float kSlack = 8.0f;

inline void scale_row(float* o, std::int32_t n, float factor) {
  for (std::int32_t i = 0; i < n; i += 16) store_floats(o + i, mul(load_floats(o + i), broadcast(factor)));
}

// softmax_row of attention.inl for a tile of rows: what is one number a row is worked out for all of them at once.
// kPlain: sixteen rows that see every key, and scores as they are. Rows that see nothing, or are none of the task's,
// get probabilities of zero.
template <bool kPlain>
inline void softmax_tile(const PageTask& t, std::int32_t row, TileScores& scores, PageAhead& ahead) {
  const std::int32_t rows = kPlain ? kTileHeight : t.rows - row < kTileHeight ? t.rows - row : kTileHeight;
  const auto seen_by = [&](std::int32_t r) {
    return kPlain ? ~std::uint64_t{0} : r < rows ? visible_to(t, row + r) : 0;
  };
  RowState* state = t.state + row;
  Floats by_lane[kTileHeight];
  alignas(64) float old_m[kTileHeight], m[kTileHeight], sum[kTileHeight];
  for (std::int32_t r = 0; r < kTileHeight; ++r) {
    old_m[r] = seen_by(r) != 0 ? state[r].m : 0.0f;
    by_lane[r] = kPlain            ? greatest_by_lane(scores.s[r])
                 : seen_by(r) != 0 ? adjusted_scores(t, row + r, scores.s[r])
                                   : zero_floats();
  }
  const Floats was = load_floats(old_m), most = max_of_each(by_lane);
  const std::uint32_t grown = lanes_above(most, add(was, broadcast(kSlack)));
  store_floats(m, keep_lanes(most, grown, was));
  for (std::uint32_t left = grown; left != 0; left &= left - 1) {
    const int r = __builtin_ctz(left);
    if (r >= rows) break;
    alignas(64) float shrink[16];
    store_floats(shrink, exp2_floats(broadcast(old_m[r] - m[r])));
    scale_row(t.o + std::int64_t{row + r} * t.v_dim, t.v_dim, shrink[0]);
    state[r].l *= shrink[0];
  }
  for (std::int32_t r = 0; r < kTileHeight; ++r) {
    ahead.fetch();
    if (seen_by(r) != 0) {
      by_lane[r] = probability_pairs(m[r], seen_by(r), scores.s[r]);
      continue;
    }
    by_lane[r] = zero_floats();
    store_pairs(scores.s[r], zero_floats(), zero_floats());
    store_pairs(scores.s[r] + 16, zero_floats(), zero_floats());
  }
  store_floats(sum, sum_of_each(by_lane));
  for (std::int32_t r = 0; r < rows; ++r)
    if (seen_by(r) != 0) state[r] = {m[r], state[r].l + sum[r]};
}

// The first row at or after `row`, in steps of sixteen, whose tile holds one that sees something; t.rows if none does.
inline std::int32_t next_tile(const PageTask& t, std::int32_t row) {
  if (!t.visible) return row;
  for (; row < t.rows; row += kTileHeight)
    for (std::int32_t r = row; r < row + kTileHeight && r < t.rows; ++r)
      if (t.visible[r] != 0) return row;
  return t.rows;
}

// The scores of the next rows are on their way while these become probabilities; they are stored late, because a store
// that waits for its product fills the scheduler.
void tile_page(const PageTask& t) {
  if (t.k_dim % kTileDepth != 0) return page<DotLines>(t);
  TileScores scores[2];
  const bool is_plain = !t.visible && !t.shift && !t.bias && t.softcap <= 0;
  std::int32_t row = next_tile(t, 0);
  PageAhead ahead(t);
  begin_scores(t, row);
  end_scores(scores[0]);
  for (int at = 0; row < t.rows; at ^= 1) {
    const std::int32_t next = next_tile(t, row + kTileHeight);
    if (next < t.rows) begin_scores(t, next);
    if (is_plain && row + kTileHeight <= t.rows)
      softmax_tile<true>(t, row, scores[at], ahead);
    else
      softmax_tile<false>(t, row, scores[at], ahead);
    if (next < t.rows) end_scores(scores[at ^ 1]);
    tile_values(t, row, scores[at]);
    row = next;
  }
}

constexpr AttentionTable kTileTable = [] {
  AttentionTable table = kTable<DotLines>;
  constexpr auto kBf16 = static_cast<std::size_t>(KvForm::bf16);
  table.tiles[kBf16] = tile_page;
  table.tile_block_rows = 128;
  table.enter = enter_tiles, table.leave = leave_tiles;
  return table;
}();
