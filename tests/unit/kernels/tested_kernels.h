// tested_kernels.h -- the kernels a matmul test should run over: what this CPU can run, and what is emulated.
#pragma once
#include <vector>

#include "tests/unit/kernels/emulated_kernels.h"

namespace heed {

inline std::vector<const Kernels*> matmul_kernels() {
  const auto native = runnable_kernels();
  std::vector<const Kernels*> all(native.begin(), native.end());
  for (const Kernels& emulated : emulated_matmul_kernels()) all.push_back(&emulated);
  return all;
}

}  // namespace heed
