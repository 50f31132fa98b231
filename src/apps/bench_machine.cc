// bench_machine.cc -- the ceilings: what every kernel's figure is a fraction of.
#include "apps/bench_ceilings.h"

namespace heed {
namespace {

Expected<void> print_ceilings(const BenchOptions& options, const Kernels& kernels, int threads) {
  ThreadPool pool(threads);
  BenchOptions o = options;
  o.load.threads = threads;
  HEED_ASSIGN(CeilingMeter meter, CeilingMeter::make(kernels, pool));
  HEED_ASSIGN(const Ceilings c, meter.measure(o.runs));
  const CeilingTable& table = ceilings_for(kernels);
  const Ceiling* arithmetic[kArithmetics] = {&table.int8, &table.int16, &table.bf16, &table.f32};
  const std::string at = threads == 1 ? ", 1 thread" : ", " + std::to_string(threads) + " threads";
  for (std::size_t i = 0; i < kArithmetics; ++i)
    print_result(o, {kArithmeticNames[i] + std::string(" ") + arithmetic[i]->instructions + at, "GOP/s", c.gops[i]});
  for (const ReadLevel& r : c.reads)
    print_result(o, {.name = r.name + at,
                     .unit = "GB/s",
                     .values = r.gbs,
                     .more = {{"working_set", static_cast<double>(r.working_set)}}});
  return {};
}

}  // namespace

Expected<void> bench_machine(const BenchOptions& options) {
  HEED_ASSIGN(const Kernels* kernels, bench_kernels(options));
  const int threads = bench_threads(options);
  HEED_TRY(print_ceilings(options, *kernels, 1));
  if (threads > 1) HEED_TRY(print_ceilings(options, *kernels, threads));
  return {};
}

}  // namespace heed
