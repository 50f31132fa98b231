// amx_emulation.h -- the tile instructions that the kernels use (and the shuffles beside them), byte by byte, after
// avx512bf16_emulation.h. Semantics: Intel SDM, volume 2 (LDTILECFG, TILELOADD, TDPBSSD, TDPBF16PS, TILESTORED). Where
// the processor would fault, the sums become a number that no test accepts.
#pragma once
#include "tests/unit/kernels/avx512bf16_emulation.h"

namespace heed::amx_emulation {

struct Tiles {
  bool configured = false;
  int rows[8] = {}, row_bytes[8] = {};
  unsigned char data[8][16][64] = {};
};
inline thread_local Tiles tiles;

inline constexpr int kFault = 0x5a5a5a5a;

inline bool is_valid(const unsigned char* config) {
  bool valid = config[0] == 1 && config[1] == 0;  // palette 1, start at row 0
  for (int i = 2; i < 16; ++i) valid = valid && config[i] == 0;
  for (int i = 32; i < 48; ++i) valid = valid && config[i] == 0;  // tiles 8 to 15 do not exist
  for (int i = 56; i < 64; ++i) valid = valid && config[i] == 0;
  for (int t = 0; t < 8; ++t) {
    const int row_bytes = config[16 + 2 * t] + 256 * config[17 + 2 * t], rows = config[48 + t];
    valid = valid && row_bytes <= 64 && rows <= 16 && (row_bytes == 0) == (rows == 0);
  }
  return valid;
}

inline void fault(int tile) {
  for (auto& row : tiles.data[tile])
    for (int i = 0; i < 16; ++i) std::memcpy(row + 4 * i, &kFault, 4);
}

}  // namespace heed::amx_emulation

// NOLINTBEGIN: the names are Intel's.
namespace heed {
namespace {

/// Quarters of 128 bits: two of a, then two of b, by two bits of `pick` each.
[[gnu::noinline]] inline __m512 _mm512_shuffle_f32x4(__m512 a, __m512 b, int pick) {
  __m512 out;
  for (int i = 0; i < 16; ++i) out.lanes[i] = (i < 8 ? a : b).lanes[4 * (pick >> (i / 4 * 2) & 3) + i % 4];
  return out;
}
/// The same with the floats of every quarter.
[[gnu::noinline]] inline __m512 _mm512_shuffle_ps(__m512 a, __m512 b, int pick) {
  __m512 out;
  for (int i = 0; i < 16; ++i) out.lanes[i] = (i % 4 < 2 ? a : b).lanes[i / 4 * 4 + (pick >> (i % 4 * 2) & 3)];
  return out;
}
/// x - floor(x), the only form in use; an infinity gives zero.
constexpr int _MM_FROUND_TO_NEG_INF = 1, _CMP_GT_OQ = 0x1e;
[[gnu::noinline]] inline __m512 _mm512_reduce_ps(__m512 a, int) {
  for (float& x : a.lanes) x = std::isinf(x) ? 0.0f : x - std::floor(x);
  return a;
}
[[gnu::noinline]] inline std::uint32_t _mm512_cmp_ps_mask(__m512 a, __m512 b, int) {  // greater
  std::uint32_t mask = 0;
  for (int i = 0; i < 16; ++i) mask |= static_cast<std::uint32_t>(a.lanes[i] > b.lanes[i]) << i;
  return mask;
}
[[gnu::noinline]] inline void _tile_loadconfig(const void* p) {
  const auto* config = static_cast<const unsigned char*>(p);
  auto& t = amx_emulation::tiles;
  t = {};
  t.configured = amx_emulation::is_valid(config);
  for (int i = 0; i < 8; ++i)
    t.row_bytes[i] = config[16 + 2 * i] + 256 * config[17 + 2 * i], t.rows[i] = config[48 + i];
}
[[gnu::noinline]] inline void _tile_release() { amx_emulation::tiles = {}; }
[[gnu::noinline]] inline void _tile_zero(int tile) { std::memset(amx_emulation::tiles.data[tile], 0, 1024); }
[[gnu::noinline]] inline void _tile_loadd(int tile, const void* base, std::int64_t stride) {
  auto& t = amx_emulation::tiles;
  _tile_zero(tile);
  if (!t.configured) return amx_emulation::fault(tile);
  for (int r = 0; r < t.rows[tile]; ++r)
    std::memcpy(t.data[tile][r], static_cast<const char*>(base) + r * stride,
                static_cast<std::size_t>(t.row_bytes[tile]));
}
[[gnu::noinline]] inline void _tile_stored(int tile, void* base, std::int64_t stride) {
  auto& t = amx_emulation::tiles;
  if (!t.configured) return;
  for (int r = 0; r < t.rows[tile]; ++r)
    std::memcpy(static_cast<char*>(base) + r * stride, t.data[tile][r], static_cast<std::size_t>(t.row_bytes[tile]));
}
/// Whether rows x lines of 4 bytes fit the sums.
inline bool fits(int sums, int rows, int lines) {
  const auto& t = amx_emulation::tiles;
  return t.configured && t.rows[sums] == t.rows[rows] && t.row_bytes[sums] == t.row_bytes[lines] &&
         t.row_bytes[rows] == 4 * t.rows[lines] && t.rows[rows] > 0 && t.rows[lines] > 0;
}
/// sums[m][n] += bytes 4k..4k+3 of rows[m] times bytes 4n..4n+3 of weights[k], over all k; all of them signed.
[[gnu::noinline]] inline void _tile_dpbssd(int sums, int rows, int weights) {
  auto& t = amx_emulation::tiles;
  if (!fits(sums, rows, weights)) return amx_emulation::fault(sums);
  for (int m = 0; m < t.rows[sums]; ++m)
    for (int n = 0; n < t.row_bytes[sums] / 4; ++n) {
      std::int32_t sum;
      std::memcpy(&sum, t.data[sums][m] + 4 * n, 4);
      for (int k = 0; k < t.rows[weights]; ++k)
        for (int i = 0; i < 4; ++i)
          sum += static_cast<std::int8_t>(t.data[rows][m][4 * k + i]) *
                 static_cast<std::int8_t>(t.data[weights][k][4 * n + i]);
      std::memcpy(t.data[sums][m] + 4 * n, &sum, 4);
    }
}
/// sums[m][n] += (products of the even bf16 of rows[m] and lines[.][n], summed) + (those of the odd ones); denormals
/// are zero.
[[gnu::noinline]] inline void _tile_dpbf16ps(int sums, int rows, int lines) {
  auto& t = amx_emulation::tiles;
  if (!fits(sums, rows, lines)) return amx_emulation::fault(sums);
  const auto number = [](const unsigned char* p, int i) {
    std::uint16_t bits;
    std::memcpy(&bits, p + 2 * i, 2);
    return flush_denormal(bf16_to_float(bits));
  };
  for (int m = 0; m < t.rows[sums]; ++m)
    for (int n = 0; n < t.row_bytes[sums] / 4; ++n) {
      float sum, part[2] = {};
      std::memcpy(&sum, t.data[sums][m] + 4 * n, 4);
      for (int k = 0; k < t.rows[lines]; ++k)
        for (const int i : {0, 1}) {
          const float x = number(t.data[rows][m], 2 * k + i), y = number(t.data[lines][k], 2 * n + i);
          part[i] = flush_denormal(std::fma(x, y, part[i]));
        }
      sum = flush_denormal(flush_denormal(sum) + flush_denormal(part[0] + part[1]));
      std::memcpy(t.data[sums][m] + 4 * n, &sum, 4);
    }
}

}  // namespace
}  // namespace heed
// NOLINTEND
