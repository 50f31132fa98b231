// scalar_attention.cc -- the attention kernels for scalar.
#include "kernels/body/attention_table.h"
#include "kernels/body/simd_scalar.h"
#include "kernels/isa/tables.h"

namespace heed {
namespace {

// Tiles of at most 4 rows x 16 columns.
constexpr int kQueryRows = 4;
constexpr int tile_width(int) { return 1; }

#include "kernels/body/attention.inl"

}  // namespace

const AttentionTable& attention_scalar() noexcept { return kTable<PairLines>; }

}  // namespace heed
