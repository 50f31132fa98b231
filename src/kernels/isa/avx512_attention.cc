// avx512_attention.cc -- the attention kernels for avx512.
#include "kernels/body/attention_table.h"
#include "kernels/body/simd_avx512.h"
#include "kernels/isa/tables.h"

namespace heed {
namespace {

// 6 rows x 64 columns: 24 accumulators and 4 line registers of 32.
constexpr int kQueryRows = 6;
constexpr int tile_width(int) { return 4; }

#include "kernels/body/attention.inl"

}  // namespace

const AttentionTable& attention_avx512() noexcept { return kTable<PairLines>; }

}  // namespace heed
