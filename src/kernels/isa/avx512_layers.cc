// avx512_layers.cc -- the layers kernels for avx512.
#include "kernels/body/layer_table.h"
#include "kernels/body/simd_avx512.h"
#include "kernels/isa/tables.h"

namespace heed {
namespace {
#include "kernels/body/layers.inl"
}  // namespace

const LayerTable& layers_avx512() noexcept { return kTable; }

}  // namespace heed
