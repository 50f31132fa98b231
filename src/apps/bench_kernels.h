// bench_kernels.h -- cases of single kernels, for the groups matmul, attention and roofline.
#pragma once
#include "apps/bench_ceilings.h"
#include "kernels/attention.h"
#include "kernels/exec.h"
#include "kernels/kernels.h"

namespace heed {

/// What a kernel needs to run, and what it is measured against. Not movable: cases refer to it.
struct KernelBench {
  ThreadPool pool;
  Arena arena;
  Counters counters;
  const Kernels& kernels;
  ActivationMode activations;
  Ceilings ceilings;
  std::unique_ptr<CeilingMeter> meter;

  static Expected<std::unique_ptr<KernelBench>> make(const BenchOptions& options);
  Exec exec() { return {pool, arena, kernels, counters, activations}; }

 private:
  KernelBench(int threads, const Kernels& table, ActivationMode mode)
      : pool(threads), kernels(table), activations(mode) {}
};

struct MatmulShape {
  std::int64_t k = 0, n = 0;
};

/// One case a number of rows, in GOP/s (two operations a multiply-add). Weights of up to 8 rows come from a ring of
/// copies larger than the last-level cache, as a decoding step finds them.
Expected<std::vector<BenchCase>> matmul_cases(DType type, MatmulShape shape, std::span<const int> rows,
                                              KernelBench& bench);

struct AttentionShape {
  std::string name;
  std::int32_t heads = 1, kv_heads = 1, dim = 64, queries = 1, keys = 0;
  Mask mask;
  DType dtype = DType::bf16;
};

/// GFLOP/s of the visible pairs (4 x dim each). A single query's keys come from a ring as above.
Expected<BenchCase> attention_case(const AttentionShape& shape, KernelBench& bench);

}  // namespace heed
