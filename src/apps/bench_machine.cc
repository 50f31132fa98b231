// bench_machine.cc -- the ceilings: what every kernel's figure is a fraction of.
#include <cstring>

#include "apps/bench.h"
#include "core/memory.h"
#include "core/thread_pool.h"

namespace heed {
namespace {

// Eight independent sums keep the adders busy; the compiler vectorizes the inner loop.
std::uint64_t sum_words(const std::uint64_t* p, std::int64_t n) {
  std::uint64_t s[8] = {};
  for (std::int64_t i = 0; i + 8 <= n; i += 8)
    for (std::int64_t j = 0; j < 8; ++j) s[j] += p[i + j];
  std::uint64_t total = 0;
  for (const std::uint64_t x : s) total += x;
  return total;
}

Expected<void> read_bandwidth(const BenchOptions& o, int threads) {
  constexpr std::int64_t kBytes = std::int64_t{1} << 30, kSlice = std::int64_t{1} << 20;
  HEED_ASSIGN(Buffer memory, Buffer::make(kBytes));
  std::memset(memory.data(), 1, kBytes);
  ThreadPool pool(threads);
  BenchResult r{"memory read, " + std::to_string(threads) + (threads == 1 ? " thread" : " threads"), "GB/s", {}};
  std::atomic<std::uint64_t> sink{0};
  for (std::int32_t run = 0; run < o.runs; ++run) {
    const double start = seconds_now();
    pool.parallel_for(kBytes / kSlice, 8, [&](std::int64_t b, std::int64_t e, int) {
      sink += sum_words(reinterpret_cast<const std::uint64_t*>(memory.data() + b * kSlice), (e - b) * kSlice / 8);
    });
    r.values.push_back(static_cast<double>(kBytes) / (seconds_now() - start) / 1e9);
  }
  print_result(o, r);
  return {};
}

}  // namespace

Expected<void> bench_machine(const BenchOptions& options) {
  const int threads = options.load.threads > 0 ? options.load.threads : ThreadPool::usable_cpus();
  HEED_TRY(read_bandwidth(options, 1));
  if (threads > 1) HEED_TRY(read_bandwidth(options, threads));
  return {};
}

}  // namespace heed
