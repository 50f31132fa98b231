// emulated_tables.h -- the attention and layer tables a test should run over: what this CPU can run, and what is
// emulated.
#pragma once
#include <cstdlib>
#include <string_view>
#include <vector>

#include "kernels/body/attention_table.h"
#include "tests/unit/kernels/emulated_kernels.h"

namespace heed {

inline const std::vector<const Kernels*>& attention_and_layer_kernels() {
  static const std::vector<const Kernels*> all = [] {
    std::vector<const Kernels*> tables;
    for (const Kernels* native : runnable_kernels())  // some tables differ in their matmul alone
      if (tables.empty() || native->attention != tables.back()->attention) tables.push_back(native);
    for (const Kernels& emulated : emulated_attention_kernels()) tables.push_back(&emulated);
    return tables;
  }();
  return all;
}

/// The largest cases are for the others. HEED_SLOW_MACHINE: a machine that is itself emulated.
inline bool is_slow(const Kernels& kernels) {
  static const bool everything_is = std::getenv("HEED_SLOW_MACHINE") != nullptr;
  const std::string_view name(kernels.name);
  return everything_is || name == "scalar" || name.find("emulated") != std::string_view::npos;
}

/// Of a slow table's largest case: a million, or what HEED_SLOW_MACHINE says.
inline double most_multiplications() {
  const char* asked = std::getenv("HEED_SLOW_MACHINE");
  const double n = asked ? std::strtod(asked, nullptr) : 0;
  return n > 1 ? n : 1e6;
}

/// Queries and probabilities are rounded to bf16 where the keys are.
inline bool rounds_to_bf16(const Kernels& kernels) {
  return kernels.attention->pack_queries[static_cast<std::size_t>(KvForm::bf16)] != nullptr;
}

}  // namespace heed
