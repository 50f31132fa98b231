// avxvnni_matmul.cc -- the matmul kernels for avx2 with 256-bit vpdpbusd.
#include "kernels/body/simd_avxvnni.h"
#include "kernels/isa/tables.h"

namespace heed {
namespace {
namespace avxvnni {
#include "kernels/body/matmul.inl"
}  // namespace avxvnni
}  // namespace

const MatmulTable& matmul_avxvnni() noexcept { return avxvnni::kTable; }

}  // namespace heed
