// dotprod_matmul.cc -- the matmul kernels for dotprod.
#include "kernels/body/simd_dotprod.h"
#include "kernels/isa/tables.h"

namespace heed {
namespace {
#include "kernels/body/matmul.inl"
}  // namespace

const MatmulTable& matmul_dotprod() noexcept { return kTable; }

}  // namespace heed
