// matmul.inl -- the matmul kernels, written once. Included by each instruction set's unit inside an anonymous
// namespace, after its SIMD layer (simd_*.h): Bytes, Ints, Floats, Dots, FormOf, the tile's shape, the operations.
//
// Every tile shape computes, per row and column and in unit order:
//   acc = fma(float(dot - (sum << shift)), scale_w, acc);   acc = fma(min_w, float(sum), acc)
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

constexpr int parts_of(const PackFormat& f) { return f.scales == ScaleForm::super16 ? 2 : 1; }  // scales per unit

template <PackKind kKind, ActivationMode kMode>
struct Packed {  // reads a panel as it lies in memory
  static constexpr PackFormat kFormat = kPackFormats[static_cast<std::size_t>(kKind)];
  static constexpr int kOffsetShift = ByteForm<kFormat.bits>::kCentred ? 0 : kFormat.offset_shift;
  static constexpr bool kFromMemory = true;
  using Lane = std::int8_t;
  using Rows = Reads<Dots<kFormat.bits>, Lane, kMode>;
  const std::uint8_t* scales;
  const std::uint8_t* quants;

  Packed() = default;
  Packed(const std::uint8_t* panel, std::int64_t units)
      : scales(panel), quants(panel + quants_offset(kFormat, units)) {}

  std::int64_t bytes(std::int64_t units) const { return quants - scales + units * kFormat.bits * 64; }

  Bytes quad(std::int64_t unit, int j) const {
    const std::uint8_t* u = quants + unit * kFormat.bits * 64;
    if constexpr (kFormat.bits == 8) return load_bytes(u + j * 64);
    if constexpr (kFormat.bits < 4) return small_quad(u, j);
    const Bytes pair = load_bytes(u + (j & 3) * 64);
    const Bytes low = j < 4 ? mask_bytes(pair, 0x0f) : mask_bytes(shift_right(pair, 4), 0x0f);
    if constexpr (kFormat.bits == 4) return low;
    if constexpr (kFormat.bits == 5) {
      const Bytes plane = load_bytes(u + 256);
      const Bytes bit = j < 4 ? shift_left(plane, 4 - j) : shift_right(plane, j - 4);
      return or_bytes(low, mask_bytes(bit, 0x10));
    }
    const Bytes plane = load_bytes(u + 256 + (j >> 2) * 64);
    const int at = 2 * (j & 3);
    const Bytes bits = at <= 4 ? shift_left(plane, 4 - at) : shift_right(plane, at - 4);
    return or_bytes(low, mask_bytes(bits, 0x30));
  }

  static Bytes small_quad(const std::uint8_t* u, int j) {
    const Bytes two = mask_bytes(shift_right(load_bytes(u + (j >> 2) * 64), 2 * (j & 3)), 3);
    if constexpr (kFormat.bits == 2) return two;
    const Bytes plane = load_bytes(u + 128);
    const Bytes bit = j < 2 ? shift_left(plane, 2 - j) : shift_right(plane, j - 2);
    return or_bytes(two, mask_bytes(bit, 4));
  }

  const std::uint8_t* super(std::int64_t unit) const {
    return scales + scale_bytes(kFormat, unit & ~(kSuperUnits - 1));
  }
  const std::uint8_t* small(std::int64_t unit) const {
    return super(unit) + factor_bytes(kFormat) + (unit & (kSuperUnits - 1)) * 32;
  }
  Floats scale(std::int64_t unit, int half) const {
    if constexpr (kFormat.scales == ScaleForm::half32) return load_halfs(scales + scale_bytes(kFormat, unit));
    if constexpr (kFormat.scales == ScaleForm::super32) return mul(load_halfs(super(unit)), load_u8(small(unit)));
    if constexpr (!kFormat.has_min) return mul(load_halfs(super(unit)), load_i8(small(unit) + half * 16));
    const Floats both = load_u8(small(unit) + half * 16);
    return mul(load_halfs(super(unit)), fma(high_nibbles(both), broadcast(-16.0f), both));
  }
  Floats min(std::int64_t unit, int half) const {
    if constexpr (kFormat.scales == ScaleForm::half32) return load_halfs(scales + scale_bytes(kFormat, unit) + 32);
    const Floats small_min = kFormat.scales == ScaleForm::super32 ? load_u8(small(unit) + 16)
                                                                  : high_nibbles(load_u8(small(unit) + half * 16));
    return negate(mul(load_halfs(super(unit) + 32), small_min));
  }
  // Of bytes as floats: (b - 7.5) / 16 is less than half away from the high nibble.
  static Floats high_nibbles(Floats bytes) { return round_even(mul(sub(bytes, broadcast(7.5f)), broadcast(0.0625f))); }
};

// Panels are read once, as one long stream from memory. They are short, and the processor's own prefetching starts anew
// at each of them and at its scales: the stream's next bytes are fetched into the second-level cache in their
// order, a share with each unit, whatever the order in which scales and quants of panels side by side are used.
class Ahead {
 public:
  template <class Source, std::size_t kPanels>
  Ahead(const Source (&w)[kPanels], std::int64_t units, std::int64_t begin = 0)
      : lines_((w[0].bytes(units) * static_cast<std::int64_t>(kPanels) / 64 + units - 1) / units),
        at_(w[kPanels - 1].quants + kAheadBytes + begin * lines_ * 64) {}

  void fetch() {
    for (std::int64_t i = 0; i < lines_; ++i, at_ += 64) __builtin_prefetch(at_, 0, 2);
  }

 private:
  std::int64_t lines_;  // a unit
  const std::uint8_t* at_;
};

struct NothingAhead {
  void fetch() {}
};

template <PackKind kKind, ActivationMode kMode>
struct Widened : Packed<kKind, kMode> {  // words made where they are used, for a few rows of words
  using Base = Packed<kKind, kMode>;
  using Form = typename FormOf<Base::kFormat.bits, Base::kOffsetShift, kMode>::Type;
  using Lane = typename Form::Lane;
  using Rows = Reads<typename Form::Dot, Lane, kMode>;
  using Base::Base;

  typename Form::Weights quad(std::int64_t unit, int j) const { return Form::widen(Base::quad(unit, j)); }
};

// Reads a panel as it lies in memory, but for its scales: those of super blocks take as many operations as four quads,
// so where many rows meet a panel they are worked out once.
template <PackKind kKind, ActivationMode kMode>
struct Scaled : Packed<kKind, kMode> {
  using Base = Packed<kKind, kMode>;
  static constexpr int kParts = parts_of(Base::kFormat);
  static constexpr std::int64_t kUnitFloats = 16 * kParts * (Base::kFormat.has_min ? 2 : 1);
  const float* floats = nullptr;  // [units, kUnitFloats]: scales, then mins

  Scaled() = default;
  Scaled(const std::uint8_t* panel, std::int64_t units, float* room) : Base(panel, units), floats(room) {
    for (std::int64_t u = 0; u < units; ++u, room += kUnitFloats)
      for (int part = 0; part < kParts; ++part) {
        store_floats(room + 16 * part, Base::scale(u, part));
        if constexpr (Base::kFormat.has_min) store_floats(room + 16 * (kParts + part), Base::min(u, part));
      }
  }
  Floats scale(std::int64_t unit, int part) const { return load_floats(floats + unit * kUnitFloats + 16 * part); }
  Floats min(std::int64_t unit, int part) const { return scale(unit, kParts + part); }
};

template <PackKind kKind, ActivationMode kMode>
struct Expanded {  // reads a stretch unpacked for many rows, in the form this instruction set multiplies fastest
  static constexpr PackFormat kFormat = kPackFormats[static_cast<std::size_t>(kKind)];
  using Form = typename FormOf<kFormat.bits, kFormat.offset_shift, kMode>::Type;
  static constexpr int kOffsetShift = Form::kCentred ? 0 : kFormat.offset_shift;
  static constexpr bool kFromMemory = false;
  using Lane = typename Form::Lane;
  using Rows = Reads<typename Form::Dot, Lane, kMode>;
  static constexpr std::int64_t kQuadBytes = Form::kQuadBytes, kUnitBytes = 8 * kQuadBytes + 4 * 64;
  const std::uint8_t* units;

  typename Form::Weights quad(std::int64_t unit, int j) const {
    return Form::load(units + unit * kUnitBytes + j * kQuadBytes);
  }
  Floats scale(std::int64_t unit, int half) const { return load_floats(floats(unit) + half * 16); }
  Floats min(std::int64_t unit, int half) const { return load_floats(floats(unit) + 32 + half * 16); }
  const float* floats(std::int64_t unit) const {
    return reinterpret_cast<const float*>(units + unit * kUnitBytes + 8 * kQuadBytes);
  }
  static void store(std::uint8_t* p, Bytes b) { Form::store(p, b); }
};

// Units [begin, end) of a panel, unpacked for E: eight quads, then the scales and mins as floats.
template <class E, PackKind kKind, ActivationMode kMode>
void expand(const Packed<kKind, kMode>& from, std::int64_t units, std::int64_t begin, std::int64_t end,
            std::uint8_t* to) {
  const Packed<kKind, kMode> panels[] = {from};
  Ahead ahead(panels, units, begin);
  for (std::int64_t u = begin; u < end; ++u, to += E::kUnitBytes) {
    ahead.fetch();
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) E::store(to + j * E::kQuadBytes, from.quad(u, j));
    auto* floats = reinterpret_cast<float*>(to + 8 * E::kQuadBytes);
    store_floats(floats, from.scale(u, 0));
    if constexpr (parts_of(E::kFormat) == 2) store_floats(floats + 16, from.scale(u, 1));
    if constexpr (E::kFormat.has_min) store_floats(floats + 32, from.min(u, 0));
    if constexpr (E::kFormat.has_min && parts_of(E::kFormat) == 2) store_floats(floats + 48, from.min(u, 1));
  }
}

// What the tiles read of the rows.
template <class Source>
struct RowView {
  const typename Source::Lane* q;  // [rows, k]
  const std::int8_t* low;          // [rows, k], halves only
  const float* scale;              // [rows] or [rows, units]
  const std::int32_t* start;       // [rows, units, parts]: -(sum << shift) over a part
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
  else if constexpr (Source::kOffsetShift > 0 && parts_of(kFormat) == 2)
    for (std::int64_t i = 0; i < 2 * n; ++i) start[i] = t.sum[i] * -(1 << Source::kOffsetShift);
  else if constexpr (Source::kOffsetShift > 0)
    for (std::int64_t i = 0; i < n; ++i) start[i] = (t.sum[2 * i] + t.sum[2 * i + 1]) * -(1 << Source::kOffsetShift);
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
      if constexpr (Source::kOffsetShift > 0 && kTakesStart<Dot>)
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
          if constexpr (Source::kOffsetShift > 0 && !kTakesStart<Dot>)
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

// The last rows, fewer than kRows.
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

template <class Source>
void multiply_packed(const PanelTask& t) {
  const auto x = view_rows<Source>(t);
  std::int64_t p = 0;
  if constexpr (kTilePanels == 2)
    if (t.rows > 1)
      p = multiply_side_by_side<2>(t, x, p);  // a row on its own is bound by reading, one stream at a time
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
  if constexpr (kFrom == 0 && kTilePanels == 2 && Packed<kKind, kMode>::kFormat.scales != ScaleForm::half32)
    if (t.rows >= kScaledRows) return multiply_scaled<kKind, kMode>(t);
  multiply_packed<Packed<kKind, kMode>>(t);
}

#include "kernels/body/float_products.inl"
#include "kernels/body/quantize.inl"

template <PackKind kKind>
constexpr auto kExact = multiply<kKind, ActivationMode::exact>;
template <PackKind kKind>
constexpr auto kFast = multiply<kKind, ActivationMode::fast>;

constexpr MatmulTable kTable = {
    quantize_exact,
    quantize_fast,
    words_quantizer<FormOf<4, 0, ActivationMode::exact>::Type>(),
    kWordRows,
    0,
    {kExact<PackKind::q4_0>, kExact<PackKind::q4_1>, kExact<PackKind::q5_0>, kExact<PackKind::q5_1>,
     kExact<PackKind::q8_0>, kExact<PackKind::q2_k>, kExact<PackKind::q3_k>, kExact<PackKind::q4_k>,
     kExact<PackKind::q5_k>, kExact<PackKind::q6_k>},
    {kFast<PackKind::q4_0>, kFast<PackKind::q4_1>, kFast<PackKind::q5_0>, kFast<PackKind::q5_1>, kFast<PackKind::q8_0>,
     kFast<PackKind::q2_k>, kFast<PackKind::q3_k>, kFast<PackKind::q4_k>, kFast<PackKind::q5_k>, kFast<PackKind::q6_k>},
    {multiply_floats<PackKind::f32>, multiply_floats<PackKind::f16>, multiply_floats<PackKind::bf16>},
};
