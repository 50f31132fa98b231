// avx2_matmul.cc -- the matmul kernels for avx2.
#include "kernels/body/simd_avx2.h"
#include "kernels/isa/tables.h"

namespace heed {
namespace {
#include "kernels/body/matmul.inl"
}  // namespace

const MatmulTable& matmul_avx2() noexcept { return kTable; }

}  // namespace heed
