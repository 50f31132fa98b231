// counters.h -- step counters: promises become integers instead of timings.
#pragma once
#include <atomic>
#include <cstdint>

namespace heed {

/// Filled by the operations of one Exec; read by tests, metrics and benchmarks. Relaxed: counts, not synchronization.
struct Counters {
  std::atomic<std::int64_t> steps{0};            // forward passes
  std::atomic<std::int64_t> tokens{0};           // rows that went through a forward pass
  std::atomic<std::int64_t> regions{0};          // parallel regions entered
  std::atomic<std::int64_t> matmul_macs{0};      // multiply-adds of weight matrices
  std::atomic<std::int64_t> attention_pages{0};  // KV pages visited (per KV head and row group)
  std::atomic<std::int64_t> allocations{0};      // system allocations inside a step; 0 once warm
};

}  // namespace heed
