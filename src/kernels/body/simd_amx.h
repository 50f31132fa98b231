// simd_amx.h -- tile registers (Sapphire Rapids and later): up to sixteen rows times sixteen columns in one
// instruction, bytes into int32 or pairs of bf16 into floats. Everything else is AVX-512.
#pragma once
#include <initializer_list>

#include "kernels/body/simd_avx512.h"
#include "kernels/body/tile_height.h"

namespace heed {
namespace {

// What ldtilecfg reads (Intel SDM, LDTILECFG).
struct alignas(64) TileShapes {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};

// For products over kDepth values of k: 32, or 16 where a unit has two scales. Tiles 0 to 3 hold sums, 4 and 5 rows, 6
// weights: a unit of W32, unpacked.
template <int kDepth>
constexpr TileShapes tile_shapes() {
  TileShapes s;
  for (const int sums : {0, 1, 2, 3}) s.rows[sums] = kTileHeight, s.row_bytes[sums] = 64;
  for (const int side : {4, 5}) s.rows[side] = kTileHeight, s.row_bytes[side] = kDepth;
  s.rows[6] = kDepth / 4, s.row_bytes[6] = 64;
  return s;
}

// GCC 12 does not tell its optimizer that the tile instructions read and write memory.
inline void memory_is_used() { asm volatile("" ::: "memory"); }

// Takes about 300 cycles: once for many products.
inline void use_shapes(const TileShapes& shapes) {
  asm volatile("" ::"r"(&shapes) : "memory");
  _tile_loadconfig(&shapes);
}

inline Bytes sub_bytes(Bytes a, int b) { return _mm512_sub_epi8(a, _mm512_set1_epi8(static_cast<char>(b))); }
inline Ints load_ints(const std::int32_t* p) { return {_mm512_loadu_si512(p)}; }

// x - floor(x), and a * 2^floor(x); for minus infinity a times zero.
inline Floats above_floor(Floats x) { return _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }
inline Floats scale_by_floor(Floats a, Floats x) { return _mm512_scalef_ps(a, x); }
// Bit i: lane i of a is greater than b's.
inline std::uint32_t lanes_above(Floats a, Floats b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
// Joins the lanes of 16 vectors; lane i of the result belongs to vector i. A tree: halves of registers, quarters, then
// pairs and single lanes, two vectors sharing one at each step.
template <class Join>
inline Floats join_lanes(const Floats (&v)[16], Join join) {
  Floats quarter[4];  // four vectors each, a quarter of a register for each of them
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const Floats a = join(_mm512_shuffle_f32x4(v[i], v[4 + i], 0x44), _mm512_shuffle_f32x4(v[i], v[4 + i], 0xee));
    const Floats b =
        join(_mm512_shuffle_f32x4(v[8 + i], v[12 + i], 0x44), _mm512_shuffle_f32x4(v[8 + i], v[12 + i], 0xee));
    quarter[i] = join(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
  }
  Floats pair[2];
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i)
    pair[i] = join(_mm512_shuffle_ps(quarter[2 * i], quarter[2 * i + 1], 0x44),
                   _mm512_shuffle_ps(quarter[2 * i], quarter[2 * i + 1], 0xee));
  return join(_mm512_shuffle_ps(pair[0], pair[1], 0x88), _mm512_shuffle_ps(pair[0], pair[1], 0xdd));
}
inline Floats max_of_each(const Floats (&v)[16]) {
  return join_lanes(v, [](Floats a, Floats b) { return _mm512_max_ps(a, b); });
}
inline Floats sum_of_each(const Floats (&v)[16]) {
  return join_lanes(v, [](Floats a, Floats b) { return _mm512_add_ps(a, b); });
}

}  // namespace
}  // namespace heed
