// matmul_bench.cc -- speed of the packed matrix product per encoding and shape, beside what this CPU can do at most.
//
//   matmul_bench [--isa NAME] [--threads N] [--type NAME] [--seconds S] [--small]
//
// GOP/s counts two operations a multiply-add; GB/s counts packed weight bytes. Weights of few-row cases are taken from
// a ring of copies larger than the last-level cache, as a decoding step would find them. Best of the repetitions.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "kernels/matmul.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace heed {
namespace {

struct Options {
  std::string isa, type;
  int threads = 0;  // 0: one, then all
  double seconds = 0.3;
  bool small = false;  // without the vocabulary-sized matrix
};

struct Shape {
  std::int64_t k, n;
};

constexpr DType kTypes[] = {DType::q4_0, DType::q4_k, DType::q4_1, DType::q5_0, DType::q5_1, DType::q5_k,
                            DType::q6_k, DType::q8_0, DType::f16,  DType::bf16, DType::f32};
constexpr std::int64_t kRingBytes = std::int64_t{96} << 20;

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// Seconds of the fastest call among those that fit into `budget`, at least three.
template <class F>
double best_of(double budget, F&& f) {
  double best = 1e9;
  const double end = now() + budget;
  for (int i = 0; i < 3 || now() < end; ++i) {
    const double start = now();
    f();
    best = std::min(best, now() - start);
  }
  return best;
}

#if defined(__x86_64__)
// Twelve chains of maddubs + add in registers: what the 4-bit loop does and nothing else.
__attribute__((target("avx2"), noinline)) void maddubs_chains(int rounds) {
#define HEED_PAIR(n) "vpmaddubsw %%ymm14, %%ymm15, %%ymm13\n\tvpaddw %%ymm13, %%ymm" #n ", %%ymm" #n "\n\t"
  for (int i = 0; i < rounds; ++i)
    asm volatile(HEED_PAIR(0) HEED_PAIR(1) HEED_PAIR(2) HEED_PAIR(3) HEED_PAIR(4) HEED_PAIR(5) HEED_PAIR(6) HEED_PAIR(7)
                     HEED_PAIR(8) HEED_PAIR(9) HEED_PAIR(10) HEED_PAIR(11)::
                         : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
                           "xmm11", "xmm13");
#undef HEED_PAIR
}
#endif

void print_ceilings(int threads) {
  ThreadPool pool(threads);
  volatile int sink = 0;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) {
    constexpr int kRounds = 1 << 16;
    const double s = best_of(
        0.3, [&] { pool.parallel_for(threads, 1, [&](std::int64_t, std::int64_t, int) { maddubs_chains(kRounds); }); });
    std::printf("ceiling: maddubs + add %.0f GOP/s", 2.0 * 32 * 12 * kRounds * threads / s / 1e9);
  }
#endif
  std::vector<std::uint64_t> memory(std::size_t{256} << 17, 1);
  const auto words = static_cast<std::int64_t>(memory.size());
  const double s = best_of(0.5, [&] {
    pool.parallel_for(words, 1 << 15, [&](std::int64_t begin, std::int64_t end, int) {
      std::uint64_t sum[8] = {};
      for (std::int64_t i = begin; i < end; i += 8)
        for (std::int64_t j = 0; j < 8; ++j) sum[j] += memory[static_cast<std::size_t>(i + j)];
      sink = static_cast<int>(sum[0] + sum[1] + sum[2] + sum[3] + sum[4] + sum[5] + sum[6] + sum[7]);
    });
  });
  std::printf("   memory read %.1f GB/s\n", static_cast<double>(words) * 8 / s / 1e9);
}

// Bytes below 0x40 make finite factors and no subnormal floats wherever a block keeps them.
std::vector<std::byte> weights_of(DType type, Shape shape) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(shape.n * row_bytes(type, shape.k)));
  std::mt19937 random(1);
  const bool is_float = info(type).block == 1;
  for (auto& b : bytes) b = static_cast<std::byte>(is_float ? 0x38 | (random() & 7) : random() & 0x3f);
  return bytes;
}

struct Setup {
  ThreadPool pool;
  Arena arena;
  Counters counters;
  const Kernels& kernels;
  Setup(int threads, const Kernels& k) : pool(threads), kernels(k) {
    if (auto made = Arena::make(std::size_t{256} << 20)) arena = std::move(*made);
  }
  Exec exec() { return {pool, arena, kernels, counters}; }
};

void bench_shape(DType type, Shape shape, Setup& s, const Options& options) {
  Exec exec = s.exec();
  const auto bytes = weights_of(type, shape);
  const Tensor tensor{.data = bytes.data(), .dtype = type, .rank = 2, .shape = {shape.n, shape.k}};
  std::vector<PackedMatrix> ring;
  double pack_seconds = 1e9;
  do {
    const double start = now();
    auto packed = PackedMatrix::pack(tensor, exec);
    pack_seconds = std::min(pack_seconds, now() - start);
    if (!packed) return;
    ring.push_back(std::move(*packed));
  } while (static_cast<std::int64_t>(ring.size() * ring[0].bytes()) < kRingBytes);
  std::printf("%-5s k=%-5ld n=%-6ld pack %4.1f GB/s, size %.3f ", std::string(info(type).name).c_str(), shape.k,
              shape.n, static_cast<double>(bytes.size()) / pack_seconds / 1e9,
              static_cast<double>(ring[0].bytes()) / static_cast<double>(bytes.size()));
  for (const std::int64_t rows : {1, 2, 4, 8, 16, 64, 512}) {
    if (rows > 16 && shape.n > 100000) continue;
    s.arena.reset();
    std::vector<float> x(static_cast<std::size_t>(rows * shape.k), 0.5f), out(static_cast<std::size_t>(rows * shape.n));
    auto a = quantize_activations(x.data(), rows, shape.k, exec);
    std::size_t turn = 0;
    const double seconds = best_of(options.seconds, [&] {
      const PackedMatrix& w = ring[rows > 8 ? 0 : turn++ % ring.size()];
      const MatmulJob job{.w = &w, .out = out.data(), .out_stride = shape.n};
      if (!a || !matmul(*a, {&job, 1}, exec)) std::abort();
    });
    const double ops = 2.0 * static_cast<double>(rows * shape.n * shape.k);
    std::printf("| M=%ld %.0f", rows, ops / seconds / 1e9);
    if (rows <= 4) std::printf(" (%.1f GB/s)", static_cast<double>(ring[0].bytes()) / seconds / 1e9);
    std::fflush(stdout);
  }
  std::printf("\n");
}

void bench_quantize(Setup& s, const Options& options) {
  Exec exec = s.exec();
  std::vector<float> x(std::size_t{512} * 4864, 0.5f);
  const double seconds = best_of(options.seconds, [&] {
    s.arena.reset();
    if (!quantize_activations(x.data(), 512, 4864, exec)) std::abort();
  });
  std::printf("quantize activations %.1f GB/s of floats\n", static_cast<double>(x.size()) * 4 / seconds / 1e9);
}

void run(int threads, const Options& options) {
  const Kernels* kernels = options.isa.empty() ? &best_kernels() : kernels_by_name(options.isa);
  if (!kernels) {
    std::printf("no such instruction set here: %s\n", options.isa.c_str());
    return;
  }
  std::printf("-- %s, %d thread(s)\n", kernels->name, threads);
  print_ceilings(threads);
  Setup s(threads, *kernels);
  bench_quantize(s, options);
  for (const DType type : kTypes) {
    if (!options.type.empty() && options.type != info(type).name) continue;
    for (const Shape shape : {Shape{896, 4864}, Shape{4864, 896}, Shape{1536, 8960}, Shape{896, 151936}}) {
      const bool large = shape.n > 100000;
      if (shape.k % info(type).block != 0 || (large && options.small)) continue;
      bench_shape(type, shape, s, options);
    }
  }
}

}  // namespace
}  // namespace heed

int main(int argc, char** argv) {
  heed::Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : "";
    if (name == "--isa") options.isa = value;
    if (name == "--type") options.type = value;
    if (name == "--threads") options.threads = std::atoi(value);
    if (name == "--seconds") options.seconds = std::atof(value);
    if (name == "--small") options.small = true;
  }
  if (options.threads > 0) {
    heed::run(options.threads, options);
    return 0;
  }
  heed::run(1, options);
  if (heed::ThreadPool::usable_cpus() > 1) heed::run(heed::ThreadPool::usable_cpus(), options);
}
