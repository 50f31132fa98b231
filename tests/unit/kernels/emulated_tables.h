// emulated_tables.h -- the attention and layer tables a test should run over: what this CPU can run, and the AVX-512
// units over emulated intrinsics, so that any machine proves their values.
#pragma once
#include <string_view>
#include <vector>

#include "kernels/kernels.h"

namespace heed {

const AttentionTable& attention_avx512_emulated() noexcept;
const AttentionTable& attention_avx512bf16_emulated() noexcept;
const LayerTable& layers_avx512_emulated() noexcept;

/// The emulated entries borrow the matmul of the fastest table.
inline const std::vector<const Kernels*>& attention_and_layer_kernels() {
  static const Kernels avx512 = {"avx512 emulated", best_kernels().matmul, &attention_avx512_emulated(),
                                 &layers_avx512_emulated()};
  static const Kernels avx512bf16 = {"avx512bf16 emulated", best_kernels().matmul, &attention_avx512bf16_emulated(),
                                     &layers_avx512_emulated()};
  static const std::vector<const Kernels*> all = [] {
    const auto native = runnable_kernels();
    std::vector<const Kernels*> tables(native.begin(), native.end());
    tables.push_back(&avx512);
    tables.push_back(&avx512bf16);
    return tables;
  }();
  return all;
}

inline bool is_slow(const Kernels& kernels) {
  const std::string_view name(kernels.name);
  return name == "scalar" || name.find("emulated") != std::string_view::npos;
}

/// Queries and probabilities are rounded to bf16 where the keys are.
inline bool rounds_to_bf16(const Kernels& kernels) {
  return std::string_view(kernels.name).find("avx512bf16") != std::string_view::npos;
}

}  // namespace heed
