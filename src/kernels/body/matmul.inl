// matmul.inl -- the matmul kernels, written once; see matmul_rows.inl.
#include "kernels/body/matmul_rows.inl"

enum class Reading : std::uint8_t { first, again };  // of the panels

// kRows rows x kPanels panels; continues the sums in `out` [rows, stride] unless the stretch is the first.
template <int kRows, int kPanels, class Source>
void tile(const Source (&w)[kPanels], const RowView<Source>& x, Stretch s, float* out, std::int64_t stride,
          Reading reading = Reading::first) {
  using Dot = typename Source::Rows::Dot;
  constexpr PackFormat kFormat = Source::kFormat;
  constexpr int kParts = parts_of(kFormat), kQuads = 8 / kParts, kStep = Dot::kStep;
  Floats acc[kRows][kPanels];
  for (int r = 0; r < kRows; ++r)
    for (int p = 0; p < kPanels; ++p)
      acc[r][p] = s.begin == 0 ? zero_floats() : load_floats(out + r * stride + p * kPanelColumns);
  auto ahead = [&] {
    if constexpr (Source::kFromMemory)
      return reading == Reading::first ? Ahead(w, x.units) : Ahead();
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
    if (rows == kRows - 1) return tile<kRows - 1>(w, x, s, out, stride);
    remaining_rows<kRows - 1>(rows, w, x, s, out, stride);
  }
}

// A last row on its own would unpack all weights for itself: it joins the tile before it.
template <int kPanels, class Source>
void all_rows(const Source (&w)[kPanels], RowView<Source> x, std::int64_t rows, Stretch s, float* out,
              std::int64_t stride) {
  constexpr int kRows = Source::Rows::kRows;
  if (rows >= kRows + 2) {
    tile<kRows>(w, x, s, out, stride);
    for (;;) {
      x = without_first(x, kRows), rows -= kRows, out += kRows * stride;
      if (rows < kRows + 2 && rows != kRows) break;
      tile<kRows>(w, x, s, out, stride, Reading::again);
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
  using Source = typename E::Rows;
  const auto x = view_rows<Source>(t, E::kOffset);
  const std::int64_t unit_bytes = t.rows * kUnitDepth * static_cast<std::int64_t>(sizeof(typename Source::Lane));
  const std::int64_t group = t.units * unit_bytes <= kGroupBytes ? t.units : kStretchUnits;
  for (std::int64_t first = 0; first < t.units; first += group) {
    const std::int64_t last = first + group < t.units ? first + group : t.units;
    for (std::int64_t p = 0; p < t.panels; ++p) {
      const Packed<kKind, kMode> panel(t.panel + p * t.panel_bytes, t.units);
      for (std::int64_t begin = first; begin < last; begin += kStretchUnits) {
        const Stretch s{begin, begin + kStretchUnits < last ? begin + kStretchUnits : last};
        expand<E>(panel, t.units, s.begin, s.end, t.scratch);
        const Source w[1] = {{t.scratch - begin * E::kUnitBytes}};
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
      const Packed<kKind, kMode> w[1] = {{panel, t.units}};
      all_rows(w, view_rows<Packed<kKind, kMode>>(t), t.rows, {0, t.units}, out, t.out_stride);
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
