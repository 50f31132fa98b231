// kernels_test.cc -- which tables this processor gets.
#include "kernels/kernels.h"

#include <gtest/gtest.h>

#include "core/cpu.h"

namespace heed {
namespace {

TEST(Kernels, EveryFeatureHasItsTable) {
  const CpuFeatures& cpu = cpu_features();
  const struct {
    const char* name;
    bool runs;
  } rows[] = {{"scalar", true},
              {"avx2", cpu.avx2},
              {"avxvnni", cpu.avx_vnni},
              {"avx512", cpu.avx512},
              {"avx512bf16", cpu.avx512_bf16},
              {"amx", cpu.amx},
              {"neon", cpu.neon},
              {"dotprod", cpu.dotprod},
              {"i8mm", cpu.i8mm}};
  std::size_t count = 0;
  for (const auto& row : rows) {
    const Kernels* kernels = kernels_by_name(row.name);
    ASSERT_EQ(kernels != nullptr, row.runs) << row.name;
    if (!kernels) continue;
    EXPECT_EQ(kernels, runnable_kernels()[count++]) << row.name;  // slowest first
  }
  EXPECT_EQ(count, runnable_kernels().size());
  EXPECT_EQ(&best_kernels(), runnable_kernels().back());
  EXPECT_EQ(kernels_by_name("avx1024"), nullptr);
  EXPECT_EQ(kernels_by_name(""), nullptr);
}

}  // namespace
}  // namespace heed
