// bench_ceilings.cc -- runs the kernel tables' ceiling loops on every thread at once.
#include "apps/bench_ceilings.h"

#include <atomic>
#include <cstring>

namespace heed {
namespace {

constexpr std::int64_t kRounds = 1 << 17;  // some milliseconds
constexpr std::int64_t kKib = 1024, kMib = 1024 * kKib, kMemory = 512 * kMib;

// One run: every thread does its rounds; operations of all, in GOP/s.
Expected<double> arithmetic_rate(const Ceiling& ceiling, ThreadPool& pool) {
  const int threads = pool.threads();
  HEED_ASSIGN(const double seconds, seconds_per_call([&]() -> Expected<void> {
                pool.parallel_for(threads, 1, [&](std::int64_t begin, std::int64_t end, int) {
                  for (std::int64_t i = begin; i < end; ++i) ceiling.run(kRounds);
                });
                return {};
              }));
  return ceiling.operations * static_cast<double>(kRounds * threads) / seconds / 1e9;
}

// One run: the working set read by all threads, each its own part, over and over; GB/s. Small sets are read several
// times within a region, so that entering it costs nothing.
Expected<double> read_rate(const CeilingTable& table, ThreadPool& pool, const Buffer& memory, std::int64_t bytes) {
  constexpr std::int64_t kLeastBytes = std::int64_t{16} << 20;
  const std::int64_t threads = pool.threads(), part = bytes / threads / 512 * 512,
                     times = std::max<std::int64_t>(1, kLeastBytes / bytes);
  std::atomic<std::uint64_t> sink{0};
  HEED_ASSIGN(const double seconds, seconds_per_call([&]() -> Expected<void> {
                pool.parallel_for(threads, 1, [&](std::int64_t begin, std::int64_t end, int) {
                  for (std::int64_t i = begin; i < end; ++i)
                    for (std::int64_t t = 0; t < times; ++t) sink += table.read(memory.data() + i * part, part);
                });
                return {};
              }));
  return static_cast<double>(part * threads * times) / seconds / 1e9;
}

}  // namespace

const ReadLevel& Ceilings::level_of(double working_set) const {
  for (const ReadLevel& r : reads)
    if (working_set <= static_cast<double>(r.working_set)) return r;
  return reads.back();
}

Expected<CeilingMeter> CeilingMeter::make(const Kernels& kernels, ThreadPool& pool) {
  CeilingMeter meter(kernels, pool);
  HEED_ASSIGN(meter.memory_, Buffer::make(kMemory));
  pool.parallel_for(kMemory / kMib, 8, [&](std::int64_t begin, std::int64_t end, int) {
    std::memset(meter.memory_.data() + begin * kMib, 1, static_cast<std::size_t>((end - begin) * kMib));
  });
  return meter;
}

Expected<double> CeilingMeter::gops(Arithmetic arithmetic) {
  const Ceiling* all[kArithmetics] = {&table_->int8, &table_->int16, &table_->bf16, &table_->f32};
  return arithmetic_rate(*all[static_cast<std::size_t>(arithmetic)], *pool_);
}

Expected<double> CeilingMeter::read_gbs(std::int64_t working_set) {
  return read_rate(*table_, *pool_, memory_, working_set);
}

Expected<Ceilings> CeilingMeter::measure(std::int32_t runs) {
  const std::int64_t threads = pool_->threads();
  Ceilings c;
  c.reads = {{"L1 read", 16 * kKib * threads, {}}, {"L2 read", 256 * kKib * threads, {}}, {"4 MiB read", 4 * kMib, {}},
             {"12 MiB read", 12 * kMib, {}},       {"24 MiB read", 24 * kMib, {}},        {"memory read", kMemory, {}}};
  HEED_TRY(gops(Arithmetic::f32));  // clocks and wide units wake up
  for (std::int32_t run = 0; run < runs; ++run) {
    for (std::size_t i = 0; i < kArithmetics; ++i) {
      HEED_ASSIGN(const double rate, gops(static_cast<Arithmetic>(i)));
      c.gops[i].push_back(rate);
    }
    for (ReadLevel& r : c.reads) {
      HEED_ASSIGN(const double rate, read_gbs(r.working_set));
      r.gbs.push_back(rate);
    }
  }
  return c;
}

void set_ceiling(BenchCase& c, const Ceilings& ceilings, CeilingMeter& meter, const Work& w) {
  const ReadLevel& level = ceilings.level_of(w.working_set);
  const double compute_seconds = w.operations * w.times / ceilings.rate(w.arithmetic),
               read_seconds = w.bytes / median(level.gbs), operations_per_byte = w.operations / w.bytes;
  c.result.more.emplace_back("operations", w.operations);
  c.result.more.emplace_back("bytes", w.bytes);
  if (read_seconds > compute_seconds) {
    c.result.bound = level.name;
    c.ceiling = [&meter, operations_per_byte, working_set = level.working_set]() -> Expected<double> {
      HEED_ASSIGN(const double gbs, meter.read_gbs(working_set));
      return gbs * operations_per_byte;
    };
    return;
  }
  c.result.bound = kArithmeticNames[static_cast<std::size_t>(w.arithmetic)] + std::string(w.times > 1 ? " twice" : "");
  c.ceiling = [&meter, arithmetic = w.arithmetic, times = w.times]() -> Expected<double> {
    HEED_ASSIGN(const double gops, meter.gops(arithmetic));
    return gops / times;
  };
}

}  // namespace heed
