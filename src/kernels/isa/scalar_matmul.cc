// scalar_matmul.cc -- the matmul kernels for scalar.
#include "kernels/body/simd_scalar.h"
#include "kernels/isa/tables.h"

namespace heed {
namespace {
#include "kernels/body/matmul.inl"
}  // namespace

const MatmulTable& matmul_scalar() noexcept { return kTable; }

}  // namespace heed
