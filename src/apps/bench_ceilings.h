// bench_ceilings.h -- this CPU's measured ceilings, and the least time they leave for a piece of work.
#pragma once
#include <string>
#include <vector>

#include "apps/bench.h"
#include "core/memory.h"
#include "core/thread_pool.h"
#include "kernels/ceilings.h"

namespace heed {

enum class Arithmetic : std::uint8_t { int8, int16, bf16, f32 };
inline constexpr std::size_t kArithmetics = 4;
inline constexpr const char* kArithmeticNames[kArithmetics] = {"int8", "int16", "bf16", "f32"};

struct ReadLevel {
  std::string name;              // "L2 read", "memory read"
  std::int64_t working_set = 0;  // bytes, of all threads together
  std::vector<double> gbs;       // GB/s of all threads together, one a run
};

struct Ceilings {
  std::vector<double> gops[kArithmetics];  // GOP/s of all threads together, one a run
  std::vector<ReadLevel> reads;            // ascending working sets; the last is memory

  double rate(Arithmetic arithmetic) const { return median(gops[static_cast<std::size_t>(arithmetic)]); }
  /// The level that holds such a working set.
  const ReadLevel& level_of(double working_set) const;
};

/// Measures them, all or one at a time. References outlive it.
class CeilingMeter {
 public:
  static Expected<CeilingMeter> make(const Kernels& kernels, ThreadPool& pool);

  Expected<Ceilings> measure(std::int32_t runs);
  Expected<double> gops(Arithmetic arithmetic);         // one run
  Expected<double> read_gbs(std::int64_t working_set);  // one run

 private:
  CeilingMeter(const Kernels& kernels, ThreadPool& pool) : table_(&ceilings_for(kernels)), pool_(&pool) {}

  const CeilingTable* table_;
  ThreadPool* pool_;
  Buffer memory_;
};

/// What a kernel cannot do without: operations and the bytes it reads.
struct Work {
  double operations = 0;
  Arithmetic arithmetic = Arithmetic::f32;
  double times = 1;  // the arithmetic is done so often, for instance twice for exact activations as bytes
  double bytes = 0, working_set = 0;
};

/// Gives the case, whose values are GOP/s, its bound and the way to measure its ceiling.
void set_ceiling(BenchCase& bench_case, const Ceilings& ceilings, CeilingMeter& meter, const Work& work);

}  // namespace heed
