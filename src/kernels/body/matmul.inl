// matmul.inl -- the matmul kernels, written once. Included by each instruction set's unit inside an anonymous
// namespace, after its SIMD layer (simd_*.h): Bytes, Ints, Floats, Dots, FormOf, the tile's shape, the operations.
//
// Every tile shape computes, per row and column and in unit order:
//   acc = fma(float(dot - sum * offset), scale_w, acc);   acc = fma(min_w, float(sum), acc)
// times the row's scale in the end (exact), or with scale_a on scale_w and sum (fast: a scale for every unit). So a
// row's bits depend on that row alone.

// A row whose values are 256 * high + low meets the same weights twice; the sums are joined exactly.
struct Halves {
  const std::int8_t* high;
  const std::int8_t* low;
};

template <class Dot>
struct PairDots {
  static constexpr int kStep = Dot::kStep;
  Dot high, low;
  void add(const Bytes (&w)[kStep], Halves q, int j) {
    high.add(w, q.high, j);
    low.add(w, q.low, j);
  }
  Ints total() { return join_halves(high.total(), low.total()); }
  void start(Ints s)
    requires requires(Dot d) { d.start(s); }
  {
    low.start(s);
  }
};

// Sums that can begin with something need no addition later.
template <class Dot>
constexpr bool kTakesStart = requires(Dot d, Ints s) { d.start(s); };

// How a source meets the rows: as bytes (fast), as two halves (exact), or as 16-bit words made of them (a form's
// choice).
template <class Single, class Lane, ActivationMode kMode>
struct Reads {
  static constexpr bool kRowScale = kMode == ActivationMode::exact;  // else one for every unit
  static constexpr bool kHalves = kMode == ActivationMode::exact && sizeof(Lane) == 1;
  static constexpr int kRows = kHalves ? kPairRows : kTileRows;
  using Dot = std::conditional_t<kHalves, PairDots<Single>, Single>;
};

#include "kernels/body/panel_sources.inl"

// What the tiles read of the rows.
template <class Source>
struct RowView {
  const typename Source::Lane* q;  // [rows, k]
  const std::int8_t* low;          // [rows, k], halves only
  const float* scale;              // [rows] or [rows, units]
  const std::int32_t* start;       // [rows, units, parts]: -sum * offset over a part
  const float* weighted_sum;       // [rows, units]: sum (times the unit's scale), what the mins are multiplied by
  std::int64_t units;

  auto at(std::int64_t unit) const {
    if constexpr (Source::Rows::kHalves)
      return Halves{q + unit * kUnitDepth, low + unit * kUnitDepth};
    else
      return q + unit * kUnitDepth;
  }
};

template <class Source>
RowView<Source> view_rows(const PanelTask& t) {
  constexpr PackFormat kFormat = Source::kFormat;
  std::uint8_t* room = t.scratch + panel_scratch_bytes(t.units);
  auto* start = reinterpret_cast<std::int32_t*>(room);
  auto* weighted = reinterpret_cast<float*>(room);  // no format has both an offset and mins
  const std::int64_t n = t.rows * t.units;
  const auto unit_scale = [&t](std::int64_t i) { return Source::Rows::kRowScale ? 1.0f : t.scale[i]; };
  if constexpr (kFormat.has_min && parts_of(kFormat) == 2)
    for (std::int64_t i = 0; i < 2 * n; ++i) weighted[i] = unit_scale(i / 2) * static_cast<float>(t.sum[i]);
  else if constexpr (kFormat.has_min)
    for (std::int64_t i = 0; i < n; ++i)
      weighted[i] = unit_scale(i) * static_cast<float>(t.sum[2 * i] + t.sum[2 * i + 1]);
  else if constexpr (Source::kOffset > 0 && parts_of(kFormat) == 2)
    for (std::int64_t i = 0; i < 2 * n; ++i) start[i] = t.sum[i] * -Source::kOffset;
  else if constexpr (Source::kOffset > 0)
    for (std::int64_t i = 0; i < n; ++i) start[i] = (t.sum[2 * i] + t.sum[2 * i + 1]) * -Source::kOffset;
  if constexpr (sizeof(typename Source::Lane) == 1) {
    return {t.q, t.low, t.scale, start, weighted, t.units};
  } else {
    if (t.words) return {t.words, nullptr, t.scale, start, weighted, t.units};
    auto* wide = reinterpret_cast<typename Source::Lane*>(room + align64(n * 8));
    Source::Form::widen_rows(t.q, n, wide);
    return {wide, nullptr, t.scale, start, weighted, t.units};
  }
}

// The weights' scale, with the unit's of the row where the row has one for every unit.
template <class Source>
inline Floats scale_of(const RowView<Source>& x, std::int64_t at, Floats ws) {
  if constexpr (Source::Rows::kRowScale)
    return ws;
  else
    return mul(ws, broadcast(x.scale[at]));
}

// A part's integer product joins the row's float sum; `at` is the row's unit.
template <class Source>
inline Floats add_product(const Source& w, const RowView<Source>& x, std::int64_t unit, std::int64_t at, int part,
                          Floats ws, const Ints& dot, Floats acc) {
  acc = fma(to_floats(dot), scale_of(x, at, ws), acc);
  if constexpr (Source::kFormat.has_min)
    acc = fma(w.min(unit, part), broadcast(x.weighted_sum[at * parts_of(Source::kFormat) + part]), acc);
  return acc;
}

struct Stretch {
  std::int64_t begin, end;  // units
};

enum class Reading : std::uint8_t { first, again };  // of the panels

// kRows rows x kPanels panels; continues the sums in `out` [rows, stride] unless the stretch is the first.
template <int kRows, Reading kReading, int kPanels, class Source>
void tile(const Source (&w)[kPanels], const RowView<Source>& x, Stretch s, float* out, std::int64_t stride) {
  using Dot = typename Source::Rows::Dot;
  constexpr PackFormat kFormat = Source::kFormat;
  constexpr int kParts = parts_of(kFormat), kQuads = 8 / kParts, kStep = Dot::kStep;
  Floats acc[kRows][kPanels];
  for (int r = 0; r < kRows; ++r)
    for (int p = 0; p < kPanels; ++p)
      acc[r][p] = s.begin == 0 ? zero_floats() : load_floats(out + r * stride + p * kPanelColumns);
  auto ahead = [&] {
    if constexpr (kReading == Reading::first && Source::kFromMemory)
      return Ahead(w, x.units);
    else
      return NothingAhead{};
  }();
  for (std::int64_t u = s.begin; u < s.end; ++u) {
    ahead.fetch();
#pragma GCC unroll 2
    for (int part = 0; part < kParts; ++part) {
      Dot dots[kRows][kPanels];
      if constexpr (Source::kOffset > 0 && kTakesStart<Dot>)
        for (int r = 0; r < kRows; ++r)
          for (int p = 0; p < kPanels; ++p)
            dots[r][p].start(broadcast_ints(x.start[(r * x.units + u) * kParts + part]));
#pragma GCC unroll 8
      for (int j = 0; j < kQuads; j += kStep) {
        decltype(w[0].quad(0, 0)) quads[kPanels][kStep];
#pragma GCC unroll 8
        for (int i = 0; i < kStep * kPanels; ++i)
          quads[i / kStep][i % kStep] = w[i / kStep].quad(u, part * kQuads + j + i % kStep);
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r) {
          const auto q = x.at(r * x.units + u);
#pragma GCC unroll 8
          for (int p = 0; p < kPanels; ++p) dots[r][p].add(quads[p], q, part * kQuads + j);
        }
      }
#pragma GCC unroll 8
      for (int p = 0; p < kPanels; ++p) {
        const Floats ws = w[p].scale(u, part);
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r) {
          const std::int64_t at = r * x.units + u;
          Ints dot = dots[r][p].total();
          if constexpr (Source::kOffset > 0 && !kTakesStart<Dot>)
            dot = add(dot, broadcast_ints(x.start[at * kParts + part]));
          acc[r][p] = add_product(w[p], x, u, at, part, ws, dot, acc[r][p]);
        }
      }
    }
  }
  const bool is_last = Source::Rows::kRowScale && s.end == x.units;
  for (int r = 0; r < kRows; ++r) {
    const Floats scale = broadcast(is_last ? x.scale[r] : 1.0f);
    for (int p = 0; p < kPanels; ++p) store_floats(out + r * stride + p * kPanelColumns, mul(acc[r][p], scale));
  }
}

// Fewer rows than kRows.
template <int kRows, int kPanels, class Source>
void remaining_rows(std::int64_t rows, const Source (&w)[kPanels], const RowView<Source>& x, Stretch s, float* out,
                    std::int64_t stride) {
  if constexpr (kRows > 1) {
    if (rows == kRows - 1) return tile<kRows - 1, Reading::first>(w, x, s, out, stride);
    remaining_rows<kRows - 1>(rows, w, x, s, out, stride);
  }
}

template <class Source>
RowView<Source> without_first(RowView<Source> x, std::int64_t rows) {
  constexpr int kParts = parts_of(Source::kFormat);
  const std::int64_t units = rows * x.units;
  x.q += units * kUnitDepth, x.low += Source::Rows::kHalves ? units * kUnitDepth : 0;
  x.scale += Source::Rows::kRowScale ? rows : units;
  x.start += units * kParts, x.weighted_sum += units * kParts;
  return x;
}

// A last row on its own would unpack all weights for itself: it joins the tile before it.
template <int kPanels, class Source>
void all_rows(const Source (&w)[kPanels], RowView<Source> x, std::int64_t rows, Stretch s, float* out,
              std::int64_t stride) {
  constexpr int kRows = Source::Rows::kRows;
  if (rows >= kRows + 2) {
    tile<kRows, Reading::first>(w, x, s, out, stride);
    for (;;) {
      x = without_first(x, kRows), rows -= kRows, out += kRows * stride;
      if (rows < kRows + 2 && rows != kRows) break;
      tile<kRows, Reading::again>(w, x, s, out, stride);
    }
  }
  remaining_rows<kRows + 2>(rows, w, x, s, out, stride);
}

// Few rows fit the second-level cache whole: each panel is read front to back. Of many rows one stretch does, which
// meets all panels before the next.
constexpr std::int64_t kGroupBytes = 192 << 10;

template <PackKind kKind, ActivationMode kMode>
void multiply_expanded(const PanelTask& t) {
  using E = Expanded<kKind, kMode>;
  const auto x = view_rows<E>(t);
  const std::int64_t unit_bytes = t.rows * kUnitDepth * static_cast<std::int64_t>(sizeof(typename E::Lane));
  const std::int64_t group = t.units * unit_bytes <= kGroupBytes ? t.units : kStretchUnits;
  for (std::int64_t first = 0; first < t.units; first += group) {
    const std::int64_t last = first + group < t.units ? first + group : t.units;
    for (std::int64_t p = 0; p < t.panels; ++p) {
      const Packed<kKind, kMode> panel(t.panel + p * t.panel_bytes, t.units);
      for (std::int64_t begin = first; begin < last; begin += kStretchUnits) {
        const Stretch s{begin, begin + kStretchUnits < last ? begin + kStretchUnits : last};
        expand<E>(panel, t.units, s.begin, s.end, t.scratch);
        const E w[1] = {{t.scratch - begin * E::kUnitBytes}};
        all_rows(w, x, t.rows, s, t.out + p * kPanelColumns, t.out_stride);
      }
    }
  }
}

// Panels read as they lie in memory, kPanels side by side for as long as there are so many; returns the first one left.
template <int kPanels, class Source>
std::int64_t multiply_side_by_side(const PanelTask& t, const RowView<Source>& x, std::int64_t p) {
  for (; p + kPanels <= t.panels; p += kPanels) {
    Source w[kPanels];
    for (int i = 0; i < kPanels; ++i) w[i] = Source(t.panel + (p + i) * t.panel_bytes, t.units);
    float* out = t.out + p * kPanelColumns;
    all_rows(w, x, t.rows, {0, t.units}, out, t.out_stride);
  }
  return p;
}

template <std::int64_t kMostRows, class Source>
void multiply_each(const PanelTask& t, const RowView<Source>& x) {
  for (std::int64_t p = 0; p < t.panels; ++p) {
    const Source w[1] = {Source(t.panel + p * t.panel_bytes, t.units)};
    remaining_rows<kMostRows + 1>(t.rows, w, x, {0, t.units}, t.out + p * kPanelColumns, t.out_stride);
  }
}

// Rows that are too many for two panels side by side, yet fit the registers with one: unpacked once, and memory is read
// all the while instead of by the first of two tiles.
constexpr std::int64_t kOnePanelRows = 8;

template <class Source>
void multiply_packed(const PanelTask& t) {
  const auto x = view_rows<Source>(t);
  std::int64_t p = 0;
  if constexpr (kTilePanels == 2) {
    constexpr int kTwoPanelRows = Source::Rows::kRows + 1;
    if (t.rows > kTwoPanelRows && t.rows <= kOnePanelRows) return multiply_each<kOnePanelRows>(t, x);
    if (t.rows > 1)
      p = multiply_side_by_side<2>(t, x, p);  // a row on its own is bound by reading, one stream at a time
  }
  multiply_side_by_side<1>(t, x, p);
}

constexpr std::int64_t kScaledRows = 4 * kTileRows;

template <PackKind kKind, ActivationMode kMode>
void multiply_scaled(const PanelTask& t) {
  using S = Scaled<kKind, kMode>;
  const auto x = view_rows<S>(t);
  auto* room = reinterpret_cast<float*>(t.scratch);
  for (std::int64_t p = 0; p < t.panels; p += 2) {
    const std::uint8_t* panel = t.panel + p * t.panel_bytes;
    float* out = t.out + p * kPanelColumns;
    if (p + 2 <= t.panels) {
      const S w[2] = {{panel, t.units, room}, {panel + t.panel_bytes, t.units, room + t.units * S::kUnitFloats}};
      all_rows(w, x, t.rows, {0, t.units}, out, t.out_stride);
    } else {
      const S w[1] = {{panel, t.units, room}};
      all_rows(w, x, t.rows, {0, t.units}, out, t.out_stride);
    }
  }
}

template <PackKind kKind, ActivationMode kMode>
void multiply(const PanelTask& t) {
  constexpr std::int64_t kFrom = kMode == ActivationMode::exact ? kExpandRowsExact : kExpandRows;
  if constexpr (kMode == ActivationMode::exact && kWordRows > 0) {
    if (t.words && t.rows >= kFrom) return multiply_expanded<kKind, kMode>(t);
    if (t.words) return multiply_packed<Widened<kKind, kMode>>(t);
  } else if constexpr (kFrom > 0) {
    if (t.rows >= kFrom) return multiply_expanded<kKind, kMode>(t);
  }
  if constexpr (kFrom == 0 && kTilePanels == 2 && has_small_scales(Packed<kKind, kMode>::kFormat.scales))
    if (t.rows >= kScaledRows) return multiply_scaled<kKind, kMode>(t);
  multiply_packed<Packed<kKind, kMode>>(t);
}

#include "kernels/body/float_products.inl"
#include "kernels/body/quantize.inl"

template <ActivationMode kMode, std::size_t kKind = 0>
constexpr void fill(void (*(&kinds)[kQuantKinds])(const PanelTask&)) {
  kinds[kKind] = multiply<static_cast<PackKind>(kKind), kMode>;
  if constexpr (kKind + 1 < kQuantKinds) fill<kMode, kKind + 1>(kinds);
}

constexpr MatmulTable kTable = [] {
  MatmulTable table = {
      quantize_exact,
      quantize_fast,
      words_quantizer<FormOf<4, 0, ActivationMode::exact>::Type>(),
      kWordRows,
      0,
      {},
      {},
      {multiply_floats<PackKind::f32>, multiply_floats<PackKind::f16>, multiply_floats<PackKind::bf16>}};
  fill<ActivationMode::exact>(table.exact);
  fill<ActivationMode::fast>(table.fast);
  return table;
}();
