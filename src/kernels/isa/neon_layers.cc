// neon_layers.cc -- the layers kernels for neon.
#include "kernels/body/layer_table.h"
#include "kernels/body/simd_neon.h"
#include "kernels/isa/tables.h"

namespace heed {
namespace {
#include "kernels/body/layers.inl"
}  // namespace

const LayerTable& layers_neon() noexcept { return kTable; }

}  // namespace heed
