// neon_attention.cc -- the attention kernels for neon.
#include "kernels/body/attention_table.h"
#include "kernels/body/simd_neon.h"
#include "kernels/isa/tables.h"

namespace heed {
namespace {

// 6 rows x 16 columns: 24 accumulators, 4 line registers, one number. Fewer rows take more columns, for as many sums in
// flight.
constexpr int kQueryRows = 6;
constexpr int tile_width(int rows) { return rows <= 2 ? 2 : 1; }

#include "kernels/body/attention.inl"

}  // namespace

const AttentionTable& attention_neon() noexcept { return kTable<PairLines>; }

}  // namespace heed
