// exec.h -- the bundle that every operation takes last.
#pragma once
#include "core/counters.h"
#include "core/memory.h"
#include "core/thread_pool.h"
#include "kernels/activation_mode.h"

namespace heed {

struct Kernels;

/// With what an operation runs: threads, the step's memory, this CPU's kernels, counters. References outlive the call.
struct Exec {
  ThreadPool& pool;
  Arena& arena;
  const Kernels& kernels;
  Counters& counters;
  ActivationMode activations = ActivationMode::exact;
};

}  // namespace heed
