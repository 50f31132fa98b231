// avx512_matmul.cc -- the matmul kernels for avx512.
#include "kernels/body/simd_avx512.h"
#include "kernels/isa/tables.h"

namespace heed {
namespace {
#include "kernels/body/matmul.inl"
}  // namespace

const MatmulTable& matmul_avx512() noexcept { return kTable; }

}  // namespace heed
