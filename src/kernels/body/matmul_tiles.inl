// matmul_tiles.inl -- sixteen and more rows by tile instructions. Included after matmul.inl, whose order of sums it
// keeps: an exact integer product a unit (or half of one), then one float sum a row and column in unit order.

// One step of a tile of rows: the integer products of a unit's part, for either half of exact activations.
struct alignas(64) TileSums {
  std::int32_t high[kTileHeight * kPanelColumns];
  std::int32_t low[kTileHeight * kPanelColumns];
};

// Step i of a stretch is part i % parts of unit begin + i / parts.
template <class Source>
void tile_products(const Source& w, const RowView<Source>& x, std::int64_t begin, std::int64_t step, TileSums& sums) {
  constexpr int kParts = parts_of(Source::kFormat), kDepth = kUnitDepth / kParts;
  const std::int64_t unit = begin + step / kParts, part = step % kParts;
  const std::int64_t at = unit * kUnitDepth + part * kDepth, k = x.units * kUnitDepth;
  const std::uint8_t* weights = w.units + unit * Source::kUnitBytes + part * (8 / kParts) * Source::kQuadBytes;
  // Tiles by number, because GCC's intrinsics take nothing else: 0 and 1 sums, 2 and 3 rows, 4 weights.
  memory_is_used();
  _tile_loadd(4, weights, Source::kQuadBytes);
  _tile_loadd(2, x.q + at, k);
  _tile_zero(0);
  _tile_dpbsud(0, 2, 4);
  _tile_stored(0, sums.high, 64);
  if constexpr (Source::Rows::kHalves) {
    _tile_loadd(3, x.low + at, k);
    _tile_zero(1);
    _tile_dpbsud(1, 3, 4);
    _tile_stored(1, sums.low, 64);
  }
  memory_is_used();
}

// What tile() of matmul.inl does with the sums of a part.
template <class Source>
void add_products(const Source& w, const RowView<Source>& x, std::int64_t begin, std::int64_t step,
                  const TileSums& sums, Floats (&acc)[kTileHeight]) {
  constexpr int kParts = parts_of(Source::kFormat);
  const std::int64_t unit = begin + step / kParts;
  const int part = static_cast<int>(step % kParts);
  const Floats ws = w.scale(unit, part);
#pragma GCC unroll 16
  for (std::int64_t r = 0; r < kTileHeight; ++r) {
    const std::int64_t at = r * x.units + unit;
    Ints dot = load_ints(sums.high + r * kPanelColumns);
    if constexpr (Source::Rows::kHalves) dot = join_halves(dot, load_ints(sums.low + r * kPanelColumns));
    if constexpr (Source::kOffsetShift > 0) dot = add(dot, broadcast_ints(x.start[at * kParts + part]));
    acc[r] = add_product(w, x, unit, at, part, ws, dot, acc[r]);
  }
}

// Sixteen rows x one panel. The products of the next step are on their way while the last ones are added.
template <class Source>
void sixteen_rows(const Source& w, const RowView<Source>& x, Stretch s, float* out, std::int64_t stride) {
  const std::int64_t steps = (s.end - s.begin) * parts_of(Source::kFormat);
  TileSums sums[2];
  Floats acc[kTileHeight];
#pragma GCC unroll 16
  for (std::int64_t r = 0; r < kTileHeight; ++r) acc[r] = s.begin == 0 ? zero_floats() : load_floats(out + r * stride);
  tile_products(w, x, s.begin, 0, sums[0]);
  for (std::int64_t step = 0; step < steps; ++step) {
    if (step + 1 < steps) tile_products(w, x, s.begin, step + 1, sums[(step + 1) & 1]);
    add_products(w, x, s.begin, step, sums[step & 1], acc);
  }
#pragma GCC unroll 16
  for (std::int64_t r = 0; r < kTileHeight; ++r) {
    const bool is_last = Source::Rows::kRowScale && s.end == x.units;
    store_floats(out + r * stride, mul(acc[r], broadcast(is_last ? x.scale[r] : 1.0f)));
  }
}

template <PackKind kKind, ActivationMode kMode>
void multiply_tiles(const PanelTask& t) {
  using E = Expanded<kKind, kMode>;
  if (t.rows < kTileHeight) return multiply<kKind, kMode>(t);
  const auto x = view_rows<E>(t);
  const std::int64_t stride = t.out_stride, whole = t.rows / kTileHeight * kTileHeight;
  static constexpr TileShapes kShapes = tile_shapes<kUnitDepth / parts_of(E::kFormat)>();
  _tile_loadconfig(&kShapes);
  for (std::int64_t p = 0; p < t.panels; ++p) {
    const Packed<kKind, kMode> panel(t.panel + p * t.panel_bytes, t.units);
    float* out = t.out + p * kPanelColumns;
    for (std::int64_t begin = 0; begin < t.units; begin += kStretchUnits) {
      const Stretch s{begin, begin + kStretchUnits < t.units ? begin + kStretchUnits : t.units};
      expand(panel, t.units, s.begin, s.end, t.scratch);
      const E w[1] = {{t.scratch - begin * E::kUnitBytes}};
      for (std::int64_t row = 0; row < whole; row += kTileHeight)
        sixteen_rows(w[0], without_first(x, row), s, out + row * stride, stride);
      all_rows(w, without_first(x, whole), t.rows - whole, s, out + whole * stride, stride);
    }
  }
  _tile_release();
}

template <ActivationMode kMode, std::size_t kKind = 0>
constexpr void use_tiles(void (*(&rows)[kQuantKinds])(const PanelTask&)) {
  rows[kKind] = multiply_tiles<static_cast<PackKind>(kKind), kMode>;
  if constexpr (kKind + 1 < kQuantKinds) use_tiles<kMode, kKind + 1>(rows);
}

constexpr MatmulTable kTileTable = [] {
  MatmulTable table = kTable;
  use_tiles<ActivationMode::exact>(table.exact);
  use_tiles<ActivationMode::fast>(table.fast);
  return table;
}();
