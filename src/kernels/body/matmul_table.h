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
// Scales, per unit: half32: 16 halfs (and 16 half mins). super32: 16 uint8 scales, 16 uint8 mins; super16: 16 int8
// scales for each half of the unit, or nibbles (scale low, min high) where the format has mins; both under 16 half
// factors (and 16 half min factors) that precede every 8 units.
#pragma once
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "core/dtype.h"
#include "kernels/activation_mode.h"
#include "kernels/body/read_ahead.h"

namespace heed {

inline constexpr std::int64_t kPanelColumns = 16, kUnitDepth = 32, kSuperUnits = 8;

enum class PackKind : std::uint8_t { q4_0, q4_1, q5_0, q5_1, q8_0, q2_k, q3_k, q4_k, q5_k, q6_k, f32, f16, bf16 };
inline constexpr std::size_t kQuantKinds = 10, kFloatKinds = 3;

enum class ScaleForm : std::uint8_t { half32, super32, super16 };

struct PackFormat {
  DType source;
  std::int32_t bits;
  ScaleForm scales;
  std::int32_t offset_shift;  // stored = value + (1 << shift); 0: none
  bool has_min;               // value = scale * q + min
};

/// Indexed by PackKind; quantized kinds only.
inline constexpr PackFormat kPackFormats[kQuantKinds] = {
    {DType::q4_0, 4, ScaleForm::half32, 3, false},  {DType::q4_1, 4, ScaleForm::half32, 0, true},
    {DType::q5_0, 5, ScaleForm::half32, 4, false},  {DType::q5_1, 5, ScaleForm::half32, 0, true},
    {DType::q8_0, 8, ScaleForm::half32, 7, false},  {DType::q2_k, 2, ScaleForm::super16, 0, true},
    {DType::q3_k, 3, ScaleForm::super16, 2, false}, {DType::q4_k, 4, ScaleForm::super32, 0, true},
    {DType::q5_k, 5, ScaleForm::super32, 0, true},  {DType::q6_k, 6, ScaleForm::super16, 5, false},
};

// Static: an inline copy compiled for one instruction set must never serve another.

/// Super forms: bytes of the factors before every 8 units. A unit's scales and mins are 32 bytes.
static constexpr std::int64_t factor_bytes(const PackFormat& f) { return f.has_min ? 64 : 32; }

/// Bytes of a panel's scales that precede unit `unit` (a multiple of 8 for super forms gives the next super block).
static constexpr std::int64_t scale_bytes(const PackFormat& f, std::int64_t unit) {
  if (f.scales == ScaleForm::half32) return unit * (f.has_min ? 64 : 32);
  const std::int64_t in_super = unit % kSuperUnits;
  return unit / kSuperUnits * (factor_bytes(f) + kSuperUnits * 32) +
         (in_super == 0 ? 0 : factor_bytes(f) + in_super * 32);
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
  const std::int8_t* tiles = nullptr;   // beside them, see tile_rows: [rows/16, units, q then low, 16, 32]
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
