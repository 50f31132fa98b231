// emulated_on_x86.cc -- which units of x86 are emulated.
#include <array>

#include "core/cpu.h"
#include "tests/unit/kernels/emulated_kernels.h"

namespace heed {

const MatmulTable& matmul_avx512_emulated() noexcept;
const MatmulTable& matmul_avxvnni_emulated() noexcept;
const MatmulTable& matmul_amx_emulated() noexcept;
const AttentionTable& attention_avx512_emulated() noexcept;
const AttentionTable& attention_avx512bf16_emulated() noexcept;
const AttentionTable& attention_amx_emulated() noexcept;
const LayerTable& layers_avx512_emulated() noexcept;

std::span<const Kernels> emulated_matmul_kernels() noexcept {
  const Kernels& first = *runnable_kernels()[0];
  static const std::array all = {
      Kernels{"avx512 emulated", &matmul_avx512_emulated(), first.attention, first.layers},
      Kernels{"amx emulated", &matmul_amx_emulated(), first.attention, first.layers},
      Kernels{"avxvnni emulated", &matmul_avxvnni_emulated(), first.attention, first.layers},
  };
  // The last one emulates a single instruction beside AVX2.
  return {all.data(), all.size() - (cpu_features().avx2 ? 0 : 1)};
}

std::span<const Kernels> emulated_attention_kernels() noexcept {
  static const std::array all = {
      Kernels{"avx512 emulated", best_kernels().matmul, &attention_avx512_emulated(), &layers_avx512_emulated()},
      Kernels{"avx512bf16 emulated", best_kernels().matmul, &attention_avx512bf16_emulated(),
              &layers_avx512_emulated()},
      Kernels{"amx emulated", best_kernels().matmul, &attention_amx_emulated(), &layers_avx512_emulated()},
  };
  return all;
}

}  // namespace heed
