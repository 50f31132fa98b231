// kernels.cc -- which tables there are, and which of them this CPU can run.
#include "kernels/kernels.h"

#include <array>

#include "core/cpu.h"
#include "kernels/isa/tables.h"

namespace heed {
namespace {

// Slowest first.
struct Tables {
  std::array<Kernels, 4> all;
  std::array<const Kernels*, 4> runnable = {};
  std::size_t count = 0;

  void add(const char* name, const MatmulTable& m, const AttentionTable& a, const LayerTable& l) {
    all[count] = {name, &m, &a, &l};
    runnable[count] = &all[count];
    ++count;
  }
  Tables() {
    add("scalar", matmul_scalar(), attention_scalar(), layers_scalar());
#if defined(__x86_64__)
    if (cpu_features().avx2) add("avx2", matmul_avx2(), attention_avx2(), layers_avx2());
    if (cpu_features().avx512) add("avx512", matmul_avx512(), attention_avx512(), layers_avx512());
    if (cpu_features().avx512_bf16) add("avx512bf16", matmul_avx512(), attention_avx512bf16(), layers_avx512());
#endif
  }
};

const Tables& tables() noexcept {
  static const Tables t;
  return t;
}

}  // namespace

std::span<const Kernels* const> runnable_kernels() noexcept { return {tables().runnable.data(), tables().count}; }

const Kernels& best_kernels() noexcept { return *runnable_kernels().back(); }

const Kernels* kernels_by_name(std::string_view name) noexcept {
  for (const Kernels* k : runnable_kernels())
    if (name == k->name) return k;
  return nullptr;
}

}  // namespace heed
