// i8mm_matmul.cc -- the matmul kernels for i8mm.
#include "kernels/body/simd_i8mm.h"
#include "kernels/isa/tables.h"

namespace heed {
namespace {
#include "kernels/body/matmul.inl"
}  // namespace

const MatmulTable& matmul_i8mm() noexcept { return kTable; }

}  // namespace heed
