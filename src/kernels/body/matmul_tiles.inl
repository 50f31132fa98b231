// matmul_tiles.inl -- sixteen and more rows by tile instructions. Included after matmul_rows.inl, whose order of sums
// it keeps: an exact integer product a unit (or half of one), then one float sum a row and column in unit order.

// What sixteen rows read of a panel's stretch unpacked to signed bytes, values as they are: nothing is left to subtract
// from a sum. The same tiles for all kinds that agree in this.
template <int kPartsOfUnit, bool kHasMin, ActivationMode kMode>
struct TiledRows {
  static constexpr PackFormat kFormat = {8, kPartsOfUnit == 2 ? ScaleForm::super16 : ScaleForm::half32, 0, kHasMin, 8};
  static constexpr int kParts = kPartsOfUnit, kOffset = 0;
  using Lane = std::int8_t;
  using Rows = Reads<Dots<8>, Lane, kMode>;
  static constexpr std::int64_t kQuadBytes = 64, kUnitBytes = kTiledUnitBytes;
  const std::uint8_t* units;

  const std::uint8_t* quads(std::int64_t unit, std::int64_t part) const {
    return units + unit * kUnitBytes + part * (8 / kParts) * kQuadBytes;
  }
  Floats scale(std::int64_t unit, int part) const { return load_floats(floats(unit) + part * 16); }
  Floats min(std::int64_t unit, int part) const { return load_floats(floats(unit) + 32 + part * 16); }
  const float* floats(std::int64_t unit) const {
    return reinterpret_cast<const float*>(units + unit * kUnitBytes + 8 * kQuadBytes);
  }
};

// How a kind is unpacked for them.
template <PackKind kKind, ActivationMode kMode>
struct Tiled {
  static constexpr PackFormat kFormat = kPackFormats[static_cast<std::size_t>(kKind)];
  using Rows = TiledRows<parts_of(kFormat), kFormat.has_min, kMode>;
  static constexpr std::int64_t kQuadBytes = Rows::kQuadBytes, kUnitBytes = Rows::kUnitBytes;

  static void store(std::uint8_t* p, Bytes b) {
    if constexpr (kFormat.offset > 0)
      store_bytes(p, sub_bytes(b, kFormat.offset));
    else
      store_bytes(p, b);
  }
};

// The integer products of a step of sixteen rows, for either half of exact activations.
struct alignas(64) TileSums {
  std::int32_t high[kTileHeight * kPanelColumns];
  std::int32_t low[kTileHeight * kPanelColumns];
};

// A unit of sixteen rows as PanelTask::tiles has them.
template <class Source>
constexpr TileUnit kTileUnit = {Source::Rows::kHalves};

// Multiplies a unit's part into one of two sets of sums. Tiles by number, because GCC's intrinsics take nothing else: 0
// and 1, 2 and 3 sums of the high and low halves, 4 and 5 rows, 6 weights.
template <int kSet, class Source>
inline void begin_products(const Source& w, const std::int8_t* rows, std::int64_t unit, std::int64_t part) {
  const std::int8_t* q = rows + unit * kTileUnit<Source>.bytes() + part * (kUnitDepth / Source::kParts);
  memory_is_used();
  _tile_loadd(6, w.quads(unit, part), Source::kQuadBytes);
  _tile_loadd(4, q, kUnitDepth);
  if constexpr (Source::Rows::kHalves) _tile_loadd(5, q + TileUnit::kHalfBytes, kUnitDepth);
  if constexpr (kSet == 0) {
    _tile_zero(0);
    _tile_dpbssd(0, 4, 6);
    if constexpr (Source::Rows::kHalves) _tile_zero(1);
    if constexpr (Source::Rows::kHalves) _tile_dpbssd(1, 5, 6);
  } else {
    _tile_zero(2);
    _tile_dpbssd(2, 4, 6);
    if constexpr (Source::Rows::kHalves) _tile_zero(3);
    if constexpr (Source::Rows::kHalves) _tile_dpbssd(3, 5, 6);
  }
  memory_is_used();
}

template <int kSet, class Source>
inline void end_products(TileSums& sums) {
  memory_is_used();
  if constexpr (kSet == 0) {
    _tile_stored(0, sums.high, 64);
    if constexpr (Source::Rows::kHalves) _tile_stored(1, sums.low, 64);
  } else {
    _tile_stored(2, sums.high, 64);
    if constexpr (Source::Rows::kHalves) _tile_stored(3, sums.low, 64);
  }
  memory_is_used();
}

// What tile() of matmul.inl does with the sums of a part.
template <class Source>
[[gnu::always_inline]] inline void add_products(const Source& w, const std::int8_t* tiles, std::int64_t unit, int part,
                                                std::int64_t rows, const TileSums& sums, Floats (&acc)[kTileHeight]) {
  constexpr TileUnit kUnit = kTileUnit<Source>;
  const std::int8_t* at = tiles + unit * kUnit.bytes();
  const auto* scale = reinterpret_cast<const float*>(at + kUnit.floats());
  const auto* sum =
      reinterpret_cast<const float*>(at + kUnit.sums()) + (Source::kParts == 2 ? kTileHeight * (1 + part) : 0);
  const Floats ws = w.scale(unit, part);
#pragma GCC unroll 16
  for (std::int64_t r = 0; r < kTileHeight; ++r) {
    if (r >= rows) break;
    Ints dot = load_ints(sums.high + r * kPanelColumns);
    if constexpr (Source::Rows::kHalves) dot = join_halves(dot, load_ints(sums.low + r * kPanelColumns));
    if constexpr (Source::Rows::kRowScale)
      acc[r] = fma(to_floats(dot), ws, acc[r]);
    else
      acc[r] = fma(to_floats(dot), mul(ws, broadcast(scale[r])), acc[r]);
    if constexpr (Source::kFormat.has_min) acc[r] = fma(w.min(unit, part), broadcast(sum[r]), acc[r]);
  }
}

// `rows` of sixteen rows x one panel; `rows` is a constant for whole tiles. Step i is part i % parts of unit begin + i
// / parts. A store that waits for its product fills the scheduler: products begin in one turn, are stored in the next
// and added in the one after.
template <class Source>
[[gnu::always_inline]] inline void tile_of_rows(const Source& w, const PanelTask& t, std::int64_t row, Stretch s,
                                                std::int64_t rows, float* out) {
  const std::int8_t* tiles = t.tiles + row / kTileHeight * t.units * kTileUnit<Source>.bytes();
  const std::int64_t stride = t.out_stride;
  out += row * stride;
  constexpr int kParts = Source::kParts;
  const std::int64_t steps = (s.end - s.begin) * kParts;
  TileSums sums[2];
  Floats acc[kTileHeight];
#pragma GCC unroll 16
  for (std::int64_t r = 0; r < kTileHeight; ++r) {
    if (r >= rows) break;
    acc[r] = s.begin == 0 ? zero_floats() : load_floats(out + r * stride);
  }
  const auto turn = [&]<int kSet>(std::int64_t step) __attribute__((always_inline)) {
    if (const std::int64_t done = step - 2; done >= 0 && done < steps)
      add_products(w, tiles, s.begin + done / kParts, static_cast<int>(done % kParts), rows, sums[kSet], acc);
    if (step >= 1 && step <= steps) end_products<1 - kSet, Source>(sums[1 - kSet]);
    if (step < steps) begin_products<kSet>(w, tiles, s.begin + step / kParts, step % kParts);
  };
  for (std::int64_t step = 0; step < steps + 2; step += 2) {
    turn.template operator()<0>(step);
    turn.template operator()<1>(step + 1);
  }
  const bool is_last = Source::Rows::kRowScale && s.end == t.units;
#pragma GCC unroll 16
  for (std::int64_t r = 0; r < kTileHeight; ++r) {
    if (r >= rows) break;
    store_floats(out + r * stride, mul(acc[r], broadcast(is_last ? t.scale[row + r] : 1.0f)));
  }
}

// Below it vpdpbusd is done sooner: a tile costs the same however few of its rows are there, and a panel is unpacked.
constexpr std::int64_t kLeastTileRows = 16;

// All rows x a stretch of one panel.
template <class Source>
[[gnu::noinline]] void multiply_stretch(const PanelTask& t, const Source& w, Stretch s, float* out) {
  std::int64_t row = 0;
  for (; row + kTileHeight <= t.rows; row += kTileHeight) tile_of_rows(w, t, row, s, kTileHeight, out);
  if (row < t.rows) tile_of_rows(w, t, row, s, t.rows - row, out);
}

template <PackKind kKind, ActivationMode kMode>
void multiply_tiles(const PanelTask& t) {
  using E = Tiled<kKind, kMode>;
  using W = typename E::Rows;
  if (!t.tiles) {  // too few rows
    const MatmulTable& below = matmul_avx512();
    return (kMode == ActivationMode::exact ? below.exact : below.fast)[static_cast<std::size_t>(kKind)](t);
  }
  static constexpr TileShapes kShapes = tile_shapes<kUnitDepth / W::kParts>();
  use_shapes(kShapes);
  for (std::int64_t p = 0; p < t.panels; ++p) {
    const Packed<kKind, kMode> panel(t.panel + p * t.panel_bytes, t.units);
    for (std::int64_t begin = 0; begin < t.units; begin += kTileStretchUnits) {
      const Stretch s{begin, begin + kTileStretchUnits < t.units ? begin + kTileStretchUnits : t.units};
      expand<E>(panel, t.units, s.begin, s.end, t.scratch);
      multiply_stretch(t, W{t.scratch - begin * W::kUnitBytes}, s, t.out + p * kPanelColumns);
    }
  }
  _tile_release();
}

template <ActivationMode kMode, std::size_t kKind = 0>
constexpr void use_tiles(void (*(&rows)[kQuantKinds])(const PanelTask&)) {
  rows[kKind] = multiply_tiles<static_cast<PackKind>(kKind), kMode>;
  if constexpr (kKind + 1 < kQuantKinds) use_tiles<kMode, kKind + 1>(rows);
}

MatmulTable tile_table() {
  MatmulTable table = matmul_avx512();
  use_tiles<ActivationMode::exact>(table.exact);
  use_tiles<ActivationMode::fast>(table.fast);
  table.tile_rows = kLeastTileRows;
  return table;
}
