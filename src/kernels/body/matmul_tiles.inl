// matmul_tiles.inl -- sixteen and more rows by tile instructions. Included after matmul.inl, whose order of sums it
// keeps: an exact integer product a unit (or half of one), then one float sum a row and column in unit order.

// A panel's stretch unpacked to signed bytes, values as they are: nothing is left to subtract from a sum.
template <PackKind kKind, ActivationMode kMode>
struct Tiled {
  static constexpr PackFormat kFormat = kPackFormats[static_cast<std::size_t>(kKind)];
  static constexpr int kParts = parts_of(kFormat), kOffset = 0;
  using Lane = std::int8_t;
  using Rows = Reads<Dots<kFormat.number_bits>, Lane, kMode>;
  static constexpr std::int64_t kQuadBytes = 64, kUnitBytes = kTiledUnitBytes;
  const std::uint8_t* units;

  static void store(std::uint8_t* p, Bytes b) {
    if constexpr (kFormat.offset > 0)
      store_bytes(p, sub_bytes(b, kFormat.offset));
    else
      store_bytes(p, b);
  }
  const std::uint8_t* quads(std::int64_t unit, std::int64_t part) const {
    return units + unit * kUnitBytes + part * (8 / kParts) * kQuadBytes;
  }
  Floats scale(std::int64_t unit, int part) const { return load_floats(floats(unit) + part * 16); }
  Floats min(std::int64_t unit, int part) const { return load_floats(floats(unit) + 32 + part * 16); }
  const float* floats(std::int64_t unit) const {
    return reinterpret_cast<const float*>(units + unit * kUnitBytes + 8 * kQuadBytes);
  }
};

// The integer products of a step of sixteen rows, for either half of exact activations.
struct alignas(64) TileSums {
  std::int32_t high[kTileHeight * kPanelColumns];
  std::int32_t low[kTileHeight * kPanelColumns];
};

// A unit of sixteen rows as PanelTask::tiles has them.
constexpr std::int64_t kHalfBytes = kTileHeight * kUnitDepth;
template <class Source>
constexpr std::int64_t kRowUnitBytes = (Source::Rows::kHalves ? 2 : 1) * kHalfBytes;

// Multiplies a unit's part into one of two sets of sums. Tiles by number, because GCC's intrinsics take nothing else: 0
// and 1, 2 and 3 sums of the high and low halves, 4 and 5 rows, 6 weights.
template <int kSet, class Source>
inline void begin_products(const Source& w, const std::int8_t* rows, std::int64_t unit, std::int64_t part) {
  const std::int8_t* q = rows + unit * kRowUnitBytes<Source> + part * (kUnitDepth / Source::kParts);
  memory_is_used();
  _tile_loadd(6, w.quads(unit, part), Source::kQuadBytes);
  _tile_loadd(4, q, kUnitDepth);
  if constexpr (Source::Rows::kHalves) _tile_loadd(5, q + kHalfBytes, kUnitDepth);
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
[[gnu::always_inline]] inline void add_products(const Source& w, const RowView<Source>& x, std::int64_t unit, int part,
                                                std::int64_t rows, const TileSums& sums, Floats (&acc)[kTileHeight]) {
  const Floats ws = w.scale(unit, part);
#pragma GCC unroll 16
  for (std::int64_t r = 0; r < kTileHeight; ++r) {
    if (r >= rows) break;
    Ints dot = load_ints(sums.high + r * kPanelColumns);
    if constexpr (Source::Rows::kHalves) dot = join_halves(dot, load_ints(sums.low + r * kPanelColumns));
    acc[r] = add_product(w, x, unit, r * x.units + unit, part, ws, dot, acc[r]);
  }
}

// `rows` of sixteen rows x one panel; `rows` is a constant for whole tiles. Step i is part i % parts of unit begin + i
// / parts. A store that waits for its product fills the scheduler: products begin in one turn, are stored in the next
// and added in the one after.
template <class Source>
[[gnu::always_inline]] inline void tile_of_rows(const Source& w, const RowView<Source>& x, const std::int8_t* tiles,
                                                Stretch s, std::int64_t rows, float* out, std::int64_t stride) {
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
      add_products(w, x, s.begin + done / kParts, static_cast<int>(done % kParts), rows, sums[kSet], acc);
    if (step >= 1 && step <= steps) end_products<1 - kSet, Source>(sums[1 - kSet]);
    if (step < steps) begin_products<kSet>(w, tiles, s.begin + step / kParts, step % kParts);
  };
  for (std::int64_t step = 0; step < steps + 2; step += 2) {
    turn.template operator()<0>(step);
    turn.template operator()<1>(step + 1);
  }
  const bool is_last = Source::Rows::kRowScale && s.end == x.units;
#pragma GCC unroll 16
  for (std::int64_t r = 0; r < kTileHeight; ++r) {
    if (r >= rows) break;
    store_floats(out + r * stride, mul(acc[r], broadcast(is_last ? x.scale[r] : 1.0f)));
  }
}

// Below it vpdpbusd is done sooner: a tile costs the same however few of its rows are there, and a panel is unpacked.
constexpr std::int64_t kLeastTileRows = 16;

template <PackKind kKind, ActivationMode kMode>
void multiply_tiles(const PanelTask& t) {
  using W = Tiled<kKind, kMode>;
  if (!t.tiles) return multiply<kKind, kMode>(t);
  const auto x = view_rows<W>(t);
  const std::int64_t whole = t.rows / kTileHeight * kTileHeight;
  static constexpr TileShapes kShapes = tile_shapes<kUnitDepth / W::kParts>();
  use_shapes(kShapes);
  for (std::int64_t p = 0; p < t.panels; ++p) {
    const Packed<kKind, kMode> panel(t.panel + p * t.panel_bytes, t.units);
    for (std::int64_t begin = 0; begin < t.units; begin += kTileStretchUnits) {
      const Stretch s{begin, begin + kTileStretchUnits < t.units ? begin + kTileStretchUnits : t.units};
      expand<W>(panel, t.units, s.begin, s.end, t.scratch);
      const W w{t.scratch - begin * W::kUnitBytes};
      const std::int8_t* tiles = t.tiles;
      float* out = t.out + p * kPanelColumns;
      std::int64_t row = 0;
      for (; row < whole; row += kTileHeight) {
        tile_of_rows(w, without_first(x, row), tiles, s, kTileHeight, out, t.out_stride);
        tiles += t.units * kRowUnitBytes<W>, out += kTileHeight * t.out_stride;
      }
      if (row < t.rows) tile_of_rows(w, without_first(x, row), tiles, s, t.rows - row, out, t.out_stride);
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
  table.tile_rows = kLeastTileRows;
  return table;
}();
