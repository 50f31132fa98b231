// amx_attention.cc -- the attention kernels for avx512bf16, with tiles for bf16 pages.
#include "kernels/body/attention_table.h"
#include "kernels/body/simd_amx.h"
#include "kernels/body/simd_avx512bf16.h"
#include "kernels/isa/tables.h"

namespace heed {
namespace {

// What the other pages are met by: 6 rows x 64 columns, 24 accumulators and 4 line registers of 32.
constexpr int kQueryRows = 6;
constexpr int tile_width(int) { return 4; }

#include "kernels/body/attention.inl"
#include "kernels/body/attention_dot.inl"
#include "kernels/body/attention_tiles.inl"

}  // namespace

const AttentionTable& attention_amx() noexcept { return kTileTable; }

}  // namespace heed
