// avx2_layers.cc -- the layers kernels for avx2.
#include "kernels/body/layer_table.h"
#include "kernels/body/simd_avx2.h"
#include "kernels/isa/tables.h"

namespace heed {
namespace {
#include "kernels/body/layers.inl"
}  // namespace

const LayerTable& layers_avx2() noexcept { return kTable; }

}  // namespace heed
