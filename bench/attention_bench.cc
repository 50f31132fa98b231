// attention_bench.cc -- speed of attention(): prefill against the FMA peak, decode against bytes of keys and values,
// windows against the keys they hide. One JSON line a case: the median wall time and the
// least processor time of several runs; the fraction of the peak (per core) is by processor time.
//   attention_bench [--threads N] [--cpu NAME] [--runs N] [filter]
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <random>
#include <string>
#include <vector>

#include "cache/kv_cache.h"
#include "core/cpu.h"
#include "kernels/kernels.h"

namespace heed {
namespace {

struct Case {
  const char* name;
  std::int32_t heads, kv_heads, dim, q_len, length;
  Mask mask;
  DType dtype = DType::bf16;
};

struct Options {
  int threads = 0, runs = 7;
  std::string cpu, filter;
};

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Processor time of all threads: what a loaded machine takes away does not count.
double cpu_seconds_now() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

struct Seconds {
  double wall, cpu;  // median, least
};

template <class F>
Seconds measure(int runs, F f) {
  std::vector<double> times;
  double cpu = 1e30;
  f();
  for (int i = 0; i < runs; ++i) {
    const double begin = seconds_now(), cpu_begin = cpu_seconds_now();
    f();
    times.push_back(seconds_now() - begin);
    cpu = std::min(cpu, cpu_seconds_now() - cpu_begin);
  }
  std::sort(times.begin(), times.end());
  return {times[times.size() / 2], cpu};
}

// 12 chains of 8-lane multiply-adds: enough for a latency of 4 to 6 cycles on two ports.
#if defined(__x86_64__)
constexpr int kPeakSteps = 1 << 22;
[[gnu::target("avx2,fma")]] float peak_loop() {
  __m256 x[12];
  for (auto& v : x) v = _mm256_set1_ps(1.0f);
  const __m256 a = _mm256_set1_ps(0.999f), b = _mm256_set1_ps(0.001f);
  for (int s = 0; s < kPeakSteps; ++s) {
#pragma GCC unroll 12
    for (auto& v : x) v = _mm256_fmadd_ps(v, a, b);
  }
  float sum = 0;
  for (auto& v : x) sum += _mm256_cvtss_f32(v);
  return sum;
}

double measured_peak(const Options& options, Exec& exec) {
  if (!cpu_features().avx2) return 0;
  const Seconds seconds = measure(options.runs, [&] {
    exec.pool.parallel_for(exec.pool.threads(), 1, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t i = begin; i < end; ++i) {
        volatile float sink = peak_loop();
        static_cast<void>(sink);
      }
    });
  });
  return 2.0 * 12 * 8 * kPeakSteps * exec.pool.threads() / seconds.cpu / 1e9;
}
#else
double measured_peak(const Options&, Exec&) { return 0; }
#endif

// Keys and values of one sequence, filled with normal numbers.
struct Filled {
  PagePool pool;
  KvCache cache;

  Filled(PagePool p, const Case& c, Exec& exec) : pool(std::move(p)), cache(pool) {
    if (!cache.reserve(c.length)) std::abort();
    cache.advance(c.length);
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    const std::int64_t stride = std::int64_t{c.kv_heads} * c.dim;
    std::vector<float> rows(static_cast<std::size_t>(256 * stride));
    for (float& x : rows) x = normal(random);
    for (std::int32_t t = 0; t < c.length; t += 256)
      append_kv(pool.view(0, cache.pages(), c.length), t, std::min(256, c.length - t), rows.data(), stride, rows.data(),
                stride, exec);
  }
};

// Query-key pairs that the mask leaves, over all rows of one head.
double visible_pairs(const Case& c) {
  double pairs = 0;
  for (std::int32_t i = 0; i < c.q_len; ++i) {
    const std::int32_t position = c.length - c.q_len + i, end = c.mask.causal ? position + 1 : c.length;
    pairs += c.mask.window > 0 ? std::min(end, c.mask.window) : end;
  }
  return pairs;
}

void run_case(const Case& c, const Options& options, double peak_gflops, Exec& exec) {
  auto pool = PagePool::make({{c.kv_heads, c.dim, c.dim}}, c.dtype, (c.length + kPageTokens - 1) / kPageTokens);
  if (!pool) std::abort();
  const Filled kv(std::move(*pool), c, exec);
  const std::int64_t stride = std::int64_t{c.heads} * c.dim;
  std::vector<float> q(static_cast<std::size_t>(c.q_len * stride)), out(q.size());
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  for (float& x : q) x = normal(random);
  const AttentionSpec spec{.heads = c.heads,
                           .kv_heads = c.kv_heads,
                           .mask = c.mask,
                           .score = {.scale = 1.0f / std::sqrt(static_cast<float>(c.dim))}};
  PagePool& pages = kv.cache.pool();
  const AttentionJob job{.q = q.data(),
                         .q_stride = stride,
                         .out = out.data(),
                         .out_stride = stride,
                         .q_len = c.q_len,
                         .first_pos = c.length - c.q_len,
                         .kv = pages.view(0, kv.cache.pages(), c.length)};
  const Seconds seconds = measure(options.runs, [&] {
    exec.arena.reset();
    if (!attention(spec, {&job, 1}, exec)) std::abort();
  });
  const double flop = visible_pairs(c) * c.heads * 4 * c.dim, gflops = flop / seconds.wall / 1e9;
  const double keys = c.mask.window > 0 ? std::min(c.length, c.mask.window + c.q_len - 1) : c.length;
  const double bytes = keys * c.kv_heads * c.dim * 2 * info(c.dtype).block_bytes;
  std::printf(
      "{\"case\": \"%s\", \"isa\": \"%s\", \"threads\": %d, \"heads\": %d, \"kv_heads\": %d, \"dim\": %d, \"q_len\": "
      "%d, \"keys\": %d, \"ms\": %.4f, \"cpu_ms\": %.4f, \"gflops\": %.1f, \"of_f32_peak_by_cpu_time\": %.3f, "
      "\"kv_gb_s\": %.2f}\n",
      c.name, exec.kernels.name, exec.pool.threads(), c.heads, c.kv_heads, c.dim, c.q_len, c.length, seconds.wall * 1e3,
      seconds.cpu * 1e3, gflops, peak_gflops > 0 ? flop / seconds.cpu / 1e9 / peak_gflops : 0.0,
      bytes / seconds.wall / 1e9);
  std::fflush(stdout);
}

constexpr Mask kCausal{.causal = true};
constexpr Mask kWindow{.causal = true, .window = 512};

const Case kCases[] = {
    {"prefill full 2k d64", 4, 4, 64, 2048, 2048, {}},
    {"prefill causal 2k d64", 4, 4, 64, 2048, 2048, kCausal},
    {"prefill full 2k d128", 4, 4, 128, 2048, 2048, {}},
    {"prefill causal 2k d128", 4, 4, 128, 2048, 2048, kCausal},
    {"prefill full 2k d64 f32", 4, 4, 64, 2048, 2048, {}, DType::f32},
    {"prefill full 8k d64", 1, 1, 64, 8192, 8192, {}},
    {"prefill causal 8k d64", 1, 1, 64, 8192, 8192, kCausal},
    {"prefill causal 8k d128", 1, 1, 128, 8192, 8192, kCausal},
    {"prefill causal 512 14/2 d64", 14, 2, 64, 512, 512, kCausal},
    {"prefill causal 2k 14/2 d64", 14, 2, 64, 2048, 2048, kCausal},
    {"prefill causal 2k 4/1 d256", 4, 1, 256, 2048, 2048, kCausal},
    {"prefill window 512 8k d64", 4, 4, 64, 8192, 8192, kWindow},
    {"decode 14/2 4k", 14, 2, 64, 1, 4096, kCausal},
    {"decode 14/2 32k", 14, 2, 64, 1, 32768, kCausal},
    {"decode 14/2 32k f32", 14, 2, 64, 1, 32768, kCausal, DType::f32},
    {"decode 12/2 d128 32k", 12, 2, 128, 1, 32768, kCausal},
    {"decode 4/4 32k", 4, 4, 64, 1, 32768, kCausal},
    {"decode 14/2 window 512 at 32k", 14, 2, 64, 1, 32768, kWindow},
    {"decode 14/2 512", 14, 2, 64, 1, 512, kCausal},
};

Options parse(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (arg == "--threads" && i + 1 < argc)
      o.threads = std::atoi(argv[++i]);
    else if (arg == "--runs" && i + 1 < argc)
      o.runs = std::max(1, std::atoi(argv[++i]));
    else if (arg == "--cpu" && i + 1 < argc)
      o.cpu = argv[++i];
    else
      o.filter = arg;
  }
  return o;
}

int run(int argc, char** argv) {
  const Options options = parse(argc, argv);
  const Kernels* kernels = options.cpu.empty() ? &best_kernels() : kernels_by_name(options.cpu);
  auto arena = Arena::make(std::size_t{64} << 20);
  if (!kernels || !arena) {
    std::fprintf(stderr, "attention_bench: this CPU cannot run \"%s\"\n", options.cpu.c_str());
    return 2;
  }
  ThreadPool pool(options.threads);
  Counters counters;
  Exec exec{pool, *arena, *kernels, counters};
  const double peak = measured_peak(options, exec);
  std::printf("{\"cpu\": \"%s\", \"f32_peak_gflops\": %.1f, \"threads\": %d}\n", cpu_name().c_str(), peak,
              pool.threads());
  for (const Case& c : kCases)
    if (std::strstr(c.name, options.filter.c_str())) run_case(c, options, peak, exec);
  return 0;
}

}  // namespace
}  // namespace heed

int main(int argc, char** argv) { return heed::run(argc, argv); }
