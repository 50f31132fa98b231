// kernels.h -- the table of inner loops for one instruction set. Chosen once; HEED_CPU forces one.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>

namespace heed {

struct MatmulTable;     // kernels/body/matmul_table.h
struct AttentionTable;  // kernels/body/attention_table.h
struct LayerTable;      // kernels/body/layer_table.h

struct Kernels {
  const char* name;  // "scalar"; x86: "avx2", "avxvnni", "avx512", "avx512bf16", "amx"; Arm: "neon", "dotprod", "i8mm"
  const MatmulTable* matmul;
  const AttentionTable* attention;
  const LayerTable* layers;
};

/// The fastest table this CPU can run.
const Kernels& best_kernels() noexcept;
/// nullptr when unknown or when this CPU cannot run it.
const Kernels* kernels_by_name(std::string_view name) noexcept;
/// Every table this CPU can run, slowest first; tests run over all of them.
std::span<const Kernels* const> runnable_kernels() noexcept;

}  // namespace heed
