// amx_ceilings.cc -- the ceilings of avx512bf16 with tiles.
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
template <class Multiply>
void tile_products(std::int64_t rounds, Multiply multiply) {
  static constexpr TileShapes kShapes = whole_tiles();
  use_shapes(kShapes);  // and all tiles are zero
  for (; rounds > 0; --rounds) multiply();
  _tile_release();
}

void byte_products(std::int64_t rounds) {
  tile_products(rounds, [] {
    _tile_dpbssd(0, 4, 6);
    _tile_dpbssd(1, 4, 7);
    _tile_dpbssd(2, 5, 6);
    _tile_dpbssd(3, 5, 7);
  });
}

void pair_products(std::int64_t rounds) {
  tile_products(rounds, [] {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  });
}

constexpr CeilingTable kTable = {{"tdpbssd", kTileOperations, byte_products},
                                 {"vpdpwssd", kChains * 64, chains<dot_words>},
                                 {"tdpbf16ps", kTileOperations / 2, pair_products},
                                 {"vfmadd231ps", kChains * 32, chains<multiply_add>},
                                 read_memory};

}  // namespace

const CeilingTable& ceilings_amx() noexcept { return kTable; }

}  // namespace heed
