// matmul.inl -- the matmul kernels, written once. Included by each instruction set's unit inside an anonymous
// namespace, after its SIMD layer (simd_*.h), which defines Bytes, Quad, Dots, Ints, Floats and the operations on them.
//
// Every tile shape computes, per row and column and in unit order:
//   acc = fma(float(dot - (sum << shift)), scale_w * scale_a, acc);   acc = fma(min_w, scale_a * float(sum), acc)
// so that a row's bits depend on that row alone.

template <PackKind kKind>
struct Packed {  // reads a panel as it lies in memory
  static constexpr PackFormat kFormat = kPackFormats[static_cast<std::size_t>(kKind)];
  const std::uint8_t* scales;
  const std::uint8_t* quants;

  Packed(const std::uint8_t* panel, std::int64_t units)
      : scales(panel), quants(panel + quants_offset(kFormat, units)) {}

  Bytes quad(std::int64_t unit, int j) const {
    const std::uint8_t* u = quants + unit * kFormat.bits * 64;
    if constexpr (kFormat.bits == 8) return load_bytes(u + j * 64);
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

  const std::uint8_t* super(std::int64_t unit) const {
    return scales + scale_bytes(kFormat, unit & ~(kSuperUnits - 1));
  }
  const std::uint8_t* small(std::int64_t unit) const {
    return super(unit) + (kFormat.has_min ? 64 : 32) + (unit & (kSuperUnits - 1)) * 32;
  }
  Floats scale(std::int64_t unit, int half) const {
    if constexpr (kFormat.scales == ScaleForm::half32) return load_halfs(scales + scale_bytes(kFormat, unit));
    if constexpr (kFormat.scales == ScaleForm::super32) return mul(load_halfs(super(unit)), load_u8(small(unit)));
    return mul(load_halfs(super(unit)), load_i8(small(unit) + half * 16));
  }
  Floats min(std::int64_t unit) const {
    if constexpr (kFormat.scales == ScaleForm::half32) return load_halfs(scales + scale_bytes(kFormat, unit) + 32);
    return negate(mul(load_halfs(super(unit) + 32), load_u8(small(unit) + 16)));
  }
};

template <PackKind kKind>
struct Expanded {  // a panel unpacked once for many rows
  static constexpr PackFormat kFormat = kPackFormats[static_cast<std::size_t>(kKind)];
  static constexpr std::int64_t kUnitBytes = 512 + 3 * 64;
  const std::uint8_t* units;

  Bytes quad(std::int64_t unit, int j) const { return load_bytes(units + unit * kUnitBytes + j * 64); }
  Floats scale(std::int64_t unit, int half) const { return load_floats(floats(unit) + half * 16); }
  Floats min(std::int64_t unit) const { return load_floats(floats(unit) + 32); }
  const float* floats(std::int64_t unit) const {
    return reinterpret_cast<const float*>(units + unit * kUnitBytes + 512);
  }
};

template <PackKind kKind>
void expand(const Packed<kKind>& from, std::int64_t units, std::uint8_t* to) {
  for (std::int64_t u = 0; u < units; ++u, to += Expanded<kKind>::kUnitBytes) {
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) store_bytes(to + j * 64, from.quad(u, j));
    auto* floats = reinterpret_cast<float*>(to + 512);
    store_floats(floats, from.scale(u, 0));
    if constexpr (Packed<kKind>::kFormat.scales == ScaleForm::super16) store_floats(floats + 16, from.scale(u, 1));
    if constexpr (Packed<kKind>::kFormat.has_min) store_floats(floats + 32, from.min(u));
  }
}

// kRows rows x 16 columns over the whole depth.
template <int kRows, class Source>
void tile(const Source& w, const PanelTask& t, std::int64_t row) {
  constexpr PackFormat kFormat = Source::kFormat;
  constexpr int kParts = kFormat.scales == ScaleForm::super16 ? 2 : 1;  // scales per unit
  constexpr int kQuads = 8 / kParts;
  const std::int8_t* q = t.q + row * t.units * kUnitDepth;
  const float* scale = t.scale + row * t.units;
  const std::int32_t* sum = t.sum + row * t.units * 2;
  Floats acc[kRows];
  for (int r = 0; r < kRows; ++r) acc[r] = zero_floats();
  for (std::int64_t u = 0; u < t.units; ++u) {
#pragma GCC unroll 2
    for (int part = 0; part < kParts; ++part) {
      Dots<kFormat.bits> dots[kRows];
#pragma GCC unroll 8
      for (int j = 0; j < kQuads; ++j) {
        const Bytes b = w.quad(u, part * kQuads + j);
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r)
          dots[r].add(b, broadcast_quad(q + (r * t.units + u) * kUnitDepth + (part * kQuads + j) * 4), j);
      }
      const Floats ws = w.scale(u, part);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const std::int32_t* s = sum + (r * t.units + u) * 2;
        const float as = scale[r * t.units + u];
        Ints dot = dots[r].total();
        if constexpr (kFormat.offset_shift > 0)
          dot = minus(dot, (kParts == 2 ? s[part] : s[0] + s[1]) * (1 << kFormat.offset_shift));
        acc[r] = fma(to_floats(dot), mul(ws, broadcast(as)), acc[r]);
        if constexpr (kFormat.has_min) acc[r] = fma(w.min(u), broadcast(as * static_cast<float>(s[0] + s[1])), acc[r]);
      }
    }
  }
  for (int r = 0; r < kRows; ++r) store_floats(t.out + (row + r) * kPanelColumns, acc[r]);
}

template <class Source>
void all_rows(const Source& w, const PanelTask& t) {
  std::int64_t row = 0;
  for (; row + kTileRows <= t.rows; row += kTileRows) tile<kTileRows>(w, t, row);
  for (; row + 4 <= t.rows; row += 4) tile<4>(w, t, row);
  switch (t.rows - row) {
    case 3:
      tile<3>(w, t, row);
      break;
    case 2:
      tile<2>(w, t, row);
      break;
    case 1:
      tile<1>(w, t, row);
      break;
    default:
      break;
  }
}

template <PackKind kKind>
void direct_panel(const PanelTask& t) {
  all_rows(Packed<kKind>(t.panel, t.units), t);
}

template <PackKind kKind>
void expanded_panel(const PanelTask& t) {
  expand(Packed<kKind>(t.panel, t.units), t.units, t.scratch);
  all_rows(Expanded<kKind>{t.scratch}, t);
}

// ---- float weights: panel [k, 16] of f32, f16 or bf16
// -----------------------------------------------------------------

template <PackKind kKind>
Floats float_weights(const std::uint8_t* panel, std::int64_t k) {
  if constexpr (kKind == PackKind::f32) return load_floats(reinterpret_cast<const float*>(panel) + k * kPanelColumns);
  if constexpr (kKind == PackKind::f16) return load_halfs(panel + k * 2 * kPanelColumns);
  return load_bf16(panel + k * 2 * kPanelColumns);
}

template <PackKind kKind, int kRows>
void float_tile(const FloatPanelTask& t, std::int64_t row) {
  const float* x = t.x + row * t.k;
  Floats acc[kRows];
  for (int r = 0; r < kRows; ++r) acc[r] = zero_floats();
  for (std::int64_t k = 0; k < t.k; ++k) {
    const Floats w = float_weights<kKind>(t.panel, k);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) acc[r] = fma(w, broadcast(x[r * t.k + k]), acc[r]);
  }
  for (int r = 0; r < kRows; ++r) store_floats(t.out + (row + r) * kPanelColumns, acc[r]);
}

template <PackKind kKind>
void float_panel(const FloatPanelTask& t) {
  std::int64_t row = 0;
  for (; row + 6 <= t.rows; row += 6) float_tile<kKind, 6>(t, row);
  for (; row < t.rows; ++row) float_tile<kKind, 1>(t, row);
}

// ---- activations
// --------------------------------------------------------------------------------------------------------

void quantize_row(const float* x, std::int64_t k, std::int8_t* q, float* scale, std::int32_t* sum) {
  for (std::int64_t u = 0; u < k / kUnitDepth; ++u, x += kUnitDepth, q += kUnitDepth) {
    const Floats a = load_floats(x), b = load_floats(x + 16);
    const float top = max_abs(a, b);
    scale[u] = top / 127.0f;
    const Floats inverse = broadcast(top > 0 ? 127.0f / top : 0.0f);
    sum[2 * u] = round_to_bytes(mul(a, inverse), q);
    sum[2 * u + 1] = round_to_bytes(mul(b, inverse), q + 16);
  }
}

constexpr MatmulTable kTable = {
    quantize_row,
    {direct_panel<PackKind::q4_0>, direct_panel<PackKind::q4_1>, direct_panel<PackKind::q5_0>,
     direct_panel<PackKind::q5_1>, direct_panel<PackKind::q8_0>, direct_panel<PackKind::q4_k>,
     direct_panel<PackKind::q5_k>, direct_panel<PackKind::q6_k>},
    {expanded_panel<PackKind::q4_0>, expanded_panel<PackKind::q4_1>, expanded_panel<PackKind::q5_0>,
     expanded_panel<PackKind::q5_1>, expanded_panel<PackKind::q8_0>, expanded_panel<PackKind::q4_k>,
     expanded_panel<PackKind::q5_k>, expanded_panel<PackKind::q6_k>},
    {float_panel<PackKind::f32>, float_panel<PackKind::f16>, float_panel<PackKind::bf16>},
};
