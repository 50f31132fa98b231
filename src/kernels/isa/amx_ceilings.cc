// amx_ceilings.cc -- the ceilings of avx512bf16 with int8 tiles.
#include "kernels/ceilings.h"

#include "kernels/body/ceilings_avx512.h"
#include "kernels/body/simd_amx.h"
#include "kernels/isa/ceilings.h"

namespace heed {
namespace {

#include "kernels/body/ceilings.inl"

constexpr TileShapes whole_tiles() {
  TileShapes s;
  for (int tile = 0; tile < 8; ++tile) s.rows[tile] = kTileHeight, s.row_bytes[tile] = 64;
  return s;
}

// Two tiles of either operand, four of sums.
constexpr double kTileOperations = 4.0 * 16 * 16 * 64 * 2;
void tile_products(std::int64_t rounds) {
  static constexpr TileShapes kShapes = whole_tiles();
  _tile_loadconfig(&kShapes);  // and all tiles are zero
  for (; rounds > 0; --rounds) {
    _tile_dpbsud(0, 4, 6);
    _tile_dpbsud(1, 4, 7);
    _tile_dpbsud(2, 5, 6);
    _tile_dpbsud(3, 5, 7);
  }
  _tile_release();
}

constexpr CeilingTable kTable = {{"tdpbsud", kTileOperations, tile_products},
                                 {"vpdpwssd", kChains * 64, chains<dot_words>},
                                 {"vdpbf16ps", kChains * 64, chains<dot_pairs>},
                                 {"vfmadd231ps", kChains * 32, chains<multiply_add>},
                                 read_memory};

}  // namespace

const CeilingTable& ceilings_amx() noexcept { return kTable; }

}  // namespace heed
