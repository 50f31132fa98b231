// avx512bf16_attention.cc -- the attention kernels for avx512 with bf16 dot products.
#include "kernels/body/attention_table.h"
#include "kernels/body/simd_avx512bf16.h"
#include "kernels/isa/tables.h"

namespace heed {
namespace {

// 6 rows x 64 columns: 24 accumulators and 4 line registers of 32.
constexpr int kQueryRows = 6;
constexpr int tile_width(int) { return 4; }

#include "kernels/body/attention.inl"
#include "kernels/body/attention_dot.inl"

}  // namespace

const AttentionTable& attention_avx512bf16() noexcept { return kTable<DotLines>; }

}  // namespace heed
