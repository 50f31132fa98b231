// panel_sources.inl -- how a panel of packed weights is read: as it lies in memory, widened, with its scales worked out
// once, or unpacked for many rows. Part of matmul.inl.

constexpr int parts_of(const PackFormat& f) {  // scales per unit
  return f.scales == ScaleForm::super16 || f.scales == ScaleForm::odd16 ? 2 : 1;
}

template <PackKind kKind, ActivationMode kMode>
struct Packed {  // reads a panel as it lies in memory
  static constexpr PackFormat kFormat = kPackFormats[static_cast<std::size_t>(kKind)];
  static constexpr int kOffset = ByteForm<kFormat.number_bits>::kCentred ? 0 : kFormat.offset;
  static constexpr bool kFromMemory = true;
  using Lane = std::int8_t;
  using Rows = Reads<Dots<kFormat.number_bits>, Lane, kMode>;
  const std::uint8_t* scales;
  const std::uint8_t* quants;

  Packed() = default;
  Packed(const std::uint8_t* panel, std::int64_t units)
      : scales(panel), quants(panel + quants_offset(kFormat, units)) {}

  std::int64_t bytes(std::int64_t units) const { return quants - scales + units * kFormat.bits * 64; }

  Bytes quad(std::int64_t unit, int j) const {
    if constexpr (kFormat.codes != nullptr)
      return look_up(stored_quad(unit, j), kFormat.codes);
    else
      return stored_quad(unit, j);
  }

  Bytes stored_quad(std::int64_t unit, int j) const {
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
    return super(unit) + factor_bytes(kFormat) + (unit & (kSuperUnits - 1)) * small_bytes(kFormat);
  }
  Floats factor(std::int64_t unit, int at) const {  // of the scales, of the mins
    const Floats halfs = load_halfs(super(unit) + 32 * at);
    return kFormat.unit == 1 ? halfs : mul(halfs, broadcast(kFormat.unit));
  }
  Floats small_scale(std::int64_t unit, int half) const {
    if constexpr (kFormat.scales == ScaleForm::super32)
      return kFormat.has_min ? load_u8(small(unit)) : load_i8(small(unit));
    if constexpr (kFormat.scales == ScaleForm::super16 && !kFormat.has_min) return load_i8(small(unit) + half * 16);
    const Floats both = load_u8(small(unit) + (kFormat.scales == ScaleForm::super16 ? half * 16 : 0));
    const Floats high = high_nibbles(both);
    if constexpr (kFormat.scales == ScaleForm::super16) return fma(high, broadcast(-16.0f), both);
    const Floats s = half == 1 ? high : fma(high, broadcast(-16.0f), both);
    return fma(s, broadcast(2.0f), broadcast(1.0f));
  }
  Floats scale(std::int64_t unit, int half) const {
    if constexpr (kFormat.scales == ScaleForm::half32) return load_halfs(scales + scale_bytes(kFormat, unit));
    if constexpr (kFormat.scales == ScaleForm::bf16_32) return load_bf16(scales + scale_bytes(kFormat, unit));
    if constexpr (kFormat.scales == ScaleForm::float256)
      return load_floats(reinterpret_cast<const float*>(super(unit)));
    return mul(factor(unit, 0), small_scale(unit, half));
  }
  Floats min(std::int64_t unit, int half) const {
    if constexpr (kFormat.scales == ScaleForm::half32) return load_halfs(scales + scale_bytes(kFormat, unit) + 32);
    const Floats small_min = kFormat.scales == ScaleForm::super32 ? load_u8(small(unit) + 16)
                                                                  : high_nibbles(load_u8(small(unit) + half * 16));
    return negate(mul(factor(unit, 1), small_min));
  }
  // Of bytes as floats: (b - 7.5) / 16 is less than half away from the high nibble.
  static Floats high_nibbles(Floats bytes) { return round_even(mul(sub(bytes, broadcast(7.5f)), broadcast(0.0625f))); }
};

// Panels are read once, as one long stream from memory. They are short, and the processor's own prefetching starts anew
// at each of them and at its scales: the stream's next bytes are fetched into the second-level cache in their
// order, a share with each unit, whatever the order in which scales and quants of panels side by side are used.
class Ahead {
 public:
  Ahead() = default;  // nothing: the panels were read just now
  template <class Source, std::size_t kPanels>
  Ahead(const Source (&w)[kPanels], std::int64_t units, std::int64_t begin = 0)
      : lines_((w[0].bytes(units) * static_cast<std::int64_t>(kPanels) / 64 + units - 1) / units),
        at_(w[kPanels - 1].quants + kAheadBytes + begin * lines_ * 64) {}

  void fetch() {
    for (std::int64_t i = 0; i < lines_; ++i, at_ += 64) __builtin_prefetch(at_, 0, 2);
  }

 private:
  std::int64_t lines_ = 0;  // a unit
  const std::uint8_t* at_ = nullptr;
};

struct NothingAhead {
  void fetch() {}
};

template <PackKind kKind, ActivationMode kMode>
struct Widened : Packed<kKind, kMode> {  // words made where they are used, for a few rows of words
  using Base = Packed<kKind, kMode>;
  using Form = typename FormOf<Base::kFormat.number_bits, Base::kOffset, kMode>::Type;
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

// What many rows read of an unpacked stretch: the same tiles for all kinds that agree in this.
template <class FormOfWeights, bool kHasOffset, int kParts, bool kHasMin, ActivationMode kMode>
struct ExpandedRows {
  static constexpr PackFormat kFormat = {8, kParts == 2 ? ScaleForm::super16 : ScaleForm::half32, 0, kHasMin, 8};
  using Form = FormOfWeights;
  static constexpr int kOffset = kHasOffset ? 1 : 0;  // how much, view_rows was told
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
};

// A stretch unpacked for many rows, in the form this instruction set multiplies fastest.
template <PackKind kKind, ActivationMode kMode>
struct Expanded {
  static constexpr PackFormat kFormat = kPackFormats[static_cast<std::size_t>(kKind)];
  using Form = typename FormOf<kFormat.number_bits, kFormat.offset, kMode>::Type;
  static constexpr int kOffset = Form::kCentred ? 0 : kFormat.offset;
  using Rows = ExpandedRows<typename Form::Read, (kOffset > 0), parts_of(kFormat), kFormat.has_min, kMode>;
  static constexpr std::int64_t kQuadBytes = Rows::kQuadBytes, kUnitBytes = Rows::kUnitBytes;
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
