// matmul_table.h -- packed weights as the inner loops see them, and the loops' signatures.
//
// A matrix is cut into panels of 16 output columns. A panel holds its scales, then its quants ("W32": one unit of
// 16 columns x 32 k after another); both parts are 64-byte aligned and read front to back. A unit's 32 k values form
// eight quads of 4; a quad of 16 columns is 64 bytes, the operand of one dot-product instruction.
//   2 bit: two vectors with 2 bits a quad: quads 0-3, quads 4-7                              (2 x 64 bytes)
//   3 bit: ditto, then one vector whose bit j is the third bit of quad j                     (3 x 64)
//   4 bit: byte b of vector v holds quad v in the low, quad v+4 in the high nibble           (4 x 64)
//   5 bit: ditto, then one vector whose bit j is the fifth bit of quad j                     (5 x 64)
//   6 bit: ditto, then two vectors with 2 bits a quad: quads 0-3, quads 4-7                  (6 x 64)
//   8 bit: one vector a quad                                                                (8 x 64)
// Numbers of formats with codes are what a code stands for: two and three bits, or four, are looked up in 16 bytes.
// Scales, per unit: half32: 16 halfs (and 16 half mins); bf16_32: 16 bf16. super32: 16 uint8 scales, 16 uint8 mins, or
// 16 int8 scales alone; super16: 16 int8 scales for each half of the unit, or nibbles (scale low, min high) where the
// format has mins; odd16: 16 pairs of nibbles, s of the first half low, and 2 s + 1 is the scale; all three under 16
// half factors (and 16 half min factors) that precede every 8 units. float256: 16 floats for 8 units and nothing else.
#pragma once
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "kernels/activation_mode.h"
#include "kernels/body/read_ahead.h"
#include "kernels/lattice_values.h"

namespace heed {

inline constexpr std::int64_t kPanelColumns = 16, kUnitDepth = 32, kSuperUnits = 8;

enum class PackKind : std::uint8_t {
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q8_0,
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k,
  q8_k,
  iq4_nl,
  iq4_xs,
  mxfp4,
  iq3_s,
  iq3_xxs,
  iq2_xs,
  iq2_xxs,
  iq1_s,
  iq1_m,
  ternary,
  f32,
  f16,
  bf16
};
inline constexpr std::size_t kQuantKinds = 21, kFloatKinds = 3;

enum class ScaleForm : std::uint8_t { half32, bf16_32, super32, super16, odd16, float256 };

struct PackFormat {
  std::int32_t bits;  // stored for a value
  ScaleForm scales;
  std::int32_t offset;                  // number = value + offset
  bool has_min;                         // value = scale * number + min
  std::int32_t number_bits;             // of what is multiplied
  const std::uint8_t* codes = nullptr;  // [16]: the number a stored code stands for; none: it is the number
  float unit = 1;                       // of a super form's factors
};

struct Codebook {
  std::uint8_t numbers[16];
};
template <std::size_t kValues>
static constexpr Codebook codebook_of(const std::int8_t (&values)[kValues], int offset) {
  Codebook book{};
  for (std::size_t i = 0; i < 16 && i < kValues; ++i) book.numbers[i] = static_cast<std::uint8_t>(values[i] + offset);
  return book;
}
// A code's top bit is the sign.
template <std::size_t kValues>
static constexpr Codebook signed_codebook_of(const std::int8_t (&values)[kValues], int offset) {
  constexpr std::size_t kSign = kValues == 8 ? 8 : 4;
  Codebook book{};
  for (std::size_t i = 0; i < kValues; ++i) {
    book.numbers[i] = static_cast<std::uint8_t>(offset + values[i]);
    book.numbers[i + kSign] = static_cast<std::uint8_t>(offset - values[i]);
  }
  return book;
}
// -1, 0 and 1 in eighths, an eighth above; below with the top bit.
inline constexpr std::int8_t kIq1Values[7] = {-7, 1, 9, 0, -9, -1, 7};

inline constexpr Codebook kIq4Codes = codebook_of(kIq4Values, 128), kFp4Codes = codebook_of(kFp4Values, 16),
                          kIq3SCodes = signed_codebook_of(kIq3SValues, 16),
                          kIq3XxsCodes = signed_codebook_of(kIq3XxsValues, 64),
                          kIq2Codes = signed_codebook_of(kIq2Values, 64), kIq1Codes = codebook_of(kIq1Values, 16);

/// Indexed by PackKind; quantized kinds only.
inline constexpr PackFormat kPackFormats[kQuantKinds] = {
    {4, ScaleForm::half32, 8, false, 4},
    {4, ScaleForm::half32, 0, true, 4},
    {5, ScaleForm::half32, 16, false, 5},
    {5, ScaleForm::half32, 0, true, 5},
    {8, ScaleForm::half32, 128, false, 8},
    {2, ScaleForm::super16, 0, true, 2},
    {3, ScaleForm::super16, 4, false, 3},
    {4, ScaleForm::super32, 0, true, 4},
    {5, ScaleForm::super32, 0, true, 5},
    {6, ScaleForm::super16, 32, false, 6},
    {8, ScaleForm::float256, 128, false, 8},
    {4, ScaleForm::half32, 128, false, 8, kIq4Codes.numbers},
    {4, ScaleForm::super32, 128, false, 8, kIq4Codes.numbers},
    {4, ScaleForm::bf16_32, 16, false, 5, kFp4Codes.numbers},
    {4, ScaleForm::super32, 16, false, 5, kIq3SCodes.numbers},
    {4, ScaleForm::super32, 64, false, 7, kIq3XxsCodes.numbers, 0.25f},
    {3, ScaleForm::odd16, 64, false, 7, kIq2Codes.numbers, 0.125f},
    {3, ScaleForm::super32, 64, false, 7, kIq2Codes.numbers, 0.125f},
    {2, ScaleForm::super32, 0, true, 2, nullptr, 0.125f},
    {3, ScaleForm::odd16, 16, false, 5, kIq1Codes.numbers, 0.125f},
    {2, ScaleForm::float256, 1, false, 2},
};

// Static: an inline copy compiled for one instruction set must never serve another.

static constexpr bool has_small_scales(ScaleForm s) {
  return s == ScaleForm::super32 || s == ScaleForm::super16 || s == ScaleForm::odd16;
}
/// Forms with factors: bytes of them before every 8 units.
static constexpr std::int64_t factor_bytes(const PackFormat& f) {
  return f.has_min || f.scales == ScaleForm::float256 ? 64 : 32;
}
/// And of a unit's scales and mins after them.
static constexpr std::int64_t small_bytes(const PackFormat& f) {
  if (f.scales == ScaleForm::float256) return 0;
  return f.scales == ScaleForm::super16 || f.has_min ? 32 : 16;
}

/// Bytes of a panel's scales that precede unit `unit` (a multiple of 8 for super forms gives the next super block).
static constexpr std::int64_t scale_bytes(const PackFormat& f, std::int64_t unit) {
  if (f.scales == ScaleForm::half32 || f.scales == ScaleForm::bf16_32) return unit * (f.has_min ? 64 : 32);
  const std::int64_t in_super = unit % kSuperUnits;
  return unit / kSuperUnits * (factor_bytes(f) + kSuperUnits * small_bytes(f)) +
         (in_super == 0 ? 0 : factor_bytes(f) + in_super * small_bytes(f));
}
static constexpr std::int64_t align64(std::int64_t n) { return (n + 63) & ~std::int64_t{63}; }
static constexpr std::int64_t quants_offset(const PackFormat& f, std::int64_t units) {
  return align64(scale_bytes(f, units));
}
static constexpr std::int64_t panel_bytes(const PackFormat& f, std::int64_t units) {
  return quants_offset(f, units) + units * f.bits * 64;
}

/// Rows of quantized activations times neighbouring panels.
struct PanelTask {
  const std::uint8_t* panel = nullptr;
  std::int64_t panel_bytes = 0;  // from one panel to the next
  std::int64_t panels = 0;
  std::int64_t units = 0;               // k / 32
  const std::int8_t* q = nullptr;       // [rows, k]
  const std::int8_t* low = nullptr;     // [rows, k], exact mode
  const std::int16_t* words = nullptr;  // [rows, k], instead of both
  const std::int8_t* tiles = nullptr;   // beside them, see tile_rows: [rows/16, units], each a TileUnit
  const float* scale = nullptr;         // exact: [rows]; fast: [rows, k/32]
  const std::int32_t* sum = nullptr;    // [rows, k/16]
  std::int64_t rows = 0;
  float* out = nullptr;             // [rows, panels * 16]
  std::int64_t out_stride = 0;      // floats between rows of out
  std::uint8_t* scratch = nullptr;  // scratch_bytes + (unless words) widened_bytes, 64-byte aligned
};

/// Rows of float activations times neighbouring panels [k, 16].
struct FloatPanelTask {
  const std::uint8_t* panel = nullptr;
  std::int64_t panel_bytes = 0;
  std::int64_t panels = 0;
  std::int64_t k = 0;
  const float* x = nullptr;  // [rows, k]
  std::int64_t rows = 0;
  float* out = nullptr;         // [rows, panels * 16]
  std::int64_t out_stride = 0;  // floats between rows of out
};

// Many rows meet a panel unpacked ("expanded") once, a stretch of units at a time so that it stays in the first-level
// cache beside the rows: 14 units of 16-bit weights and their scales are 17 KiB.
inline constexpr std::int64_t kStretchUnits = 14, kMaxExpandedUnitBytes = 2 * 512 + 4 * 64;
// Tiles meet longer stretches of bytes, 768 a unit, since a stretch begins and ends with turns that do half of a step.
inline constexpr std::int64_t kTileStretchUnits = 28, kTiledUnitBytes = 512 + 4 * 64;

/// Room for an expanded stretch, or for the scales of two panels as floats.
static constexpr std::int64_t panel_scratch_bytes(std::int64_t units) {
  const std::int64_t stretch = kStretchUnits * kMaxExpandedUnitBytes, tiled = kTileStretchUnits * kTiledUnitBytes,
                     scales = units * 2 * 4 * 64, either = stretch > tiled ? stretch : tiled;
  return either > scales ? either : scales;
}
/// Room for that and for what the rows contribute per unit (8 bytes).
static constexpr std::int64_t scratch_bytes(std::int64_t rows, std::int64_t units) {
  return panel_scratch_bytes(units) + align64(rows * units * 8);
}
/// Room after it for byte rows that a kernel may widen to words.
static constexpr std::int64_t widened_bytes(std::int64_t rows, std::int64_t units) { return rows * units * 64; }

struct MatmulTable {
  /// x [k] -> q [k], low [k] (exact only), scale (exact: one; fast: [k/32]), sum [k/16]; see QuantizedRows.
  void (*quantize_exact)(const float* x, std::int64_t k, std::int8_t* q, std::int8_t* low, float* scale,
                         std::int32_t* sum);
  void (*quantize_fast)(const float* x, std::int64_t k, std::int8_t* q, float* scale, std::int32_t* sum);
  void (*quantize_words)(const float* x, std::int64_t k, std::int16_t* words, float* scale, std::int32_t* sum);
  std::int64_t word_rows;  // exact mode: from so many rows on activations are words; 0: never, quantize_words is null
  std::int64_t tile_rows;  // from so many rows on they are laid out in tiles as well, zeros after the last; 0: never
  void (*exact[kQuantKinds])(const PanelTask&);
  void (*fast[kQuantKinds])(const PanelTask&);
  void (*floats[kFloatKinds])(const FloatPanelTask&);
};

}  // namespace heed
