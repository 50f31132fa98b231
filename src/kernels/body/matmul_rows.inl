// matmul_rows.inl -- what every matmul kernel shares: how rows and panels are read, and how an integer product joins a
// row's float sum. Included by each instruction set's unit inside an anonymous namespace, after its SIMD layer
// (simd_*.h): Bytes, Ints, Floats, Dots, FormOf, the tile's shape, the operations.
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
RowView<Source> view_rows(const PanelTask& t, int offset = Source::kOffset) {
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
    for (std::int64_t i = 0; i < 2 * n; ++i) start[i] = t.sum[i] * -offset;
  else if constexpr (Source::kOffset > 0)
    for (std::int64_t i = 0; i < n; ++i) start[i] = (t.sum[2 * i] + t.sum[2 * i + 1]) * -offset;
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

template <class Source>
RowView<Source> without_first(RowView<Source> x, std::int64_t rows) {
  constexpr int kParts = parts_of(Source::kFormat);
  const std::int64_t units = rows * x.units;
  x.q += units * kUnitDepth, x.low += Source::Rows::kHalves ? units * kUnitDepth : 0;
  x.scale += Source::Rows::kRowScale ? rows : units;
  x.start += units * kParts, x.weighted_sum += units * kParts;
  return x;
}
