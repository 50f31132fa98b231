// tested_kernels.h -- the kernels a test should run over: what this CPU can run, and AVX-512 emulated where it cannot.
#pragma once
#include <vector>

#include "kernels/kernels.h"

namespace heed {

const MatmulTable& matmul_avx512_emulated() noexcept;

/// For matmul alone: the emulated entry borrows its other tables from the first one.
inline std::vector<const Kernels*> matmul_kernels() {
  const auto native = runnable_kernels();
  std::vector<const Kernels*> all(native.begin(), native.end());
  static const Kernels emulated = {"avx512 emulated", &matmul_avx512_emulated(), native[0]->attention,
                                   native[0]->layers};
  all.push_back(&emulated);
  return all;
}

}  // namespace heed
