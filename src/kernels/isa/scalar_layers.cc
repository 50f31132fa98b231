// scalar_layers.cc -- the layers kernels for scalar.
#include "kernels/body/layer_table.h"
#include "kernels/body/simd_scalar.h"
#include "kernels/isa/tables.h"

namespace heed {
namespace {
#include "kernels/body/layers.inl"
}  // namespace

const LayerTable& layers_scalar() noexcept { return kTable; }

}  // namespace heed
