// amx_matmul.cc -- the matmul kernels for avx512 with int8 tiles.
#include "kernels/body/simd_amx.h"
#include "kernels/isa/tables.h"

namespace heed {
namespace {
#include "kernels/body/matmul_rows.inl"
#include "kernels/body/matmul_tiles.inl"
}  // namespace

const MatmulTable& matmul_amx() noexcept {
  static const MatmulTable table = tile_table();
  return table;
}

}  // namespace heed
