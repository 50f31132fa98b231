// emulated_elsewhere.cc -- processors other than x86 emulate nothing: qemu runs what they may have (tools/arm64.sh).
#include "tests/unit/kernels/emulated_kernels.h"

namespace heed {

std::span<const Kernels> emulated_matmul_kernels() noexcept { return {}; }
std::span<const Kernels> emulated_attention_kernels() noexcept { return {}; }

}  // namespace heed
