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

constexpr AttentionTable kTable = {{page<FloatLines>, page<HalfLines>, page<PairLines>},
                                   {probabilities<FloatLines>, probabilities<HalfLines>, probabilities<PairLines>},
                                   nullptr,
                                   finish_floats,
                                   blend_floats};

}  // namespace

const AttentionTable& attention_scalar() noexcept { return kTable; }

}  // namespace heed
