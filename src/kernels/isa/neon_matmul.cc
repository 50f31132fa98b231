// neon_matmul.cc -- the matmul kernels for neon.
#include "kernels/body/simd_neon_widen.h"
#include "kernels/isa/tables.h"

namespace heed {
namespace {
#include "kernels/body/matmul.inl"
}  // namespace

const MatmulTable& matmul_neon() noexcept { return kTable; }

}  // namespace heed
