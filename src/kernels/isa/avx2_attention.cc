// avx2_attention.cc -- the attention kernels for avx2.
#include "kernels/body/attention_table.h"
#include "kernels/body/simd_avx2.h"
#include "kernels/isa/tables.h"

namespace heed {
namespace {

// 4 rows x 16 columns: 8 accumulators and 4 line registers of 16. Fewer rows take more columns, for as many sums in
// flight.
constexpr int kQueryRows = 4;
constexpr int tile_width(int rows) { return rows == 1 ? 4 : rows == 2 ? 2 : 1; }

#include "kernels/body/attention.inl"

}  // namespace

const AttentionTable& attention_avx2() noexcept { return kTable<PairLines>; }

}  // namespace heed
