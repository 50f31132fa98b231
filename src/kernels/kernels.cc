// kernels.cc -- which tables there are, and which of them this CPU can run.
#include "kernels/kernels.h"

#include <array>

#include "core/cpu.h"
#include "kernels/isa/tables.h"

namespace heed {
namespace {

// Slowest first.
struct Tables {
  static constexpr std::size_t kMost = 6;
  std::array<Kernels, kMost> all;
  std::array<const Kernels*, kMost> runnable = {};
  std::size_t count = 0;

  void add(const char* name, const MatmulTable& m, const AttentionTable& a, const LayerTable& l) {
    all[count] = {name, &m, &a, &l};
    runnable[count] = &all[count];
    ++count;
  }
  Tables() {
    add("scalar", matmul_scalar(), attention_scalar(), layers_scalar());
    [[maybe_unused]] const CpuFeatures& cpu = cpu_features();
#if defined(__x86_64__)
    if (cpu.avx2) add("avx2", matmul_avx2(), attention_avx2(), layers_avx2());
    if (cpu.avx_vnni) add("avxvnni", matmul_avxvnni(), attention_avx2(), layers_avx2());
    if (cpu.avx512) add("avx512", matmul_avx512(), attention_avx512(), layers_avx512());
    if (cpu.avx512_bf16) add("avx512bf16", matmul_avx512(), attention_avx512bf16(), layers_avx512());
    if (cpu.amx) add("amx", matmul_amx(), attention_amx(), layers_avx512());
#elif defined(__aarch64__)
    if (cpu.neon) add("neon", matmul_neon(), attention_neon(), layers_neon());
    if (cpu.dotprod) add("dotprod", matmul_dotprod(), attention_neon(), layers_neon());
    if (cpu.i8mm) add("i8mm", matmul_i8mm(), attention_neon(), layers_neon());
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
