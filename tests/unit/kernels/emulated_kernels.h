// emulated_kernels.h -- the units of instruction sets that few machines have, over emulated intrinsics, so that any
// machine of their family proves their values. A table that an entry does not emulate is borrowed from another one.
#pragma once
#include <span>

#include "kernels/kernels.h"

namespace heed {

/// Each of the two names every emulated unit of its kind once. Empty where nothing can be emulated.
std::span<const Kernels> emulated_matmul_kernels() noexcept;
std::span<const Kernels> emulated_attention_kernels() noexcept;  // and layers

}  // namespace heed
