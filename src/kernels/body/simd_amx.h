// simd_amx.h -- tile registers (Sapphire Rapids and later): sixteen rows of activations times a unit's sixteen columns
// in one instruction, signed bytes times unsigned ones into int32. Everything else is AVX-512.
#pragma once
#include "kernels/body/simd_avx512.h"

namespace heed {
namespace {

constexpr std::int64_t kTileHeight = 16;

// What ldtilecfg reads (Intel SDM, LDTILECFG).
struct alignas(64) TileShapes {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};

// For products over kDepth values of k: 32, or 16 where a unit has two scales. Tiles 0 and 1 hold sums, 2 and 3 rows, 4
// weights: a unit of W32 as it is.
template <int kDepth>
constexpr TileShapes tile_shapes() {
  TileShapes s;
  for (const int sums : {0, 1}) s.rows[sums] = kTileHeight, s.row_bytes[sums] = 64;
  for (const int rows : {2, 3}) s.rows[rows] = kTileHeight, s.row_bytes[rows] = kDepth;
  s.rows[4] = kDepth / 4, s.row_bytes[4] = 64;
  return s;
}

// GCC 12 does not tell its optimizer that the tile instructions read and write memory.
inline void memory_is_used() { asm volatile("" ::: "memory"); }

inline Ints load_ints(const std::int32_t* p) { return {_mm512_loadu_si512(p)}; }

}  // namespace
}  // namespace heed
