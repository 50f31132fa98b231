// bench_roofline.cc -- the ceilings and a few telling kernels, measured in one run, as lines and as a picture.
#include <fstream>

#include "apps/bench_kernels.h"
#include "apps/roofline_plot.h"
#include "core/cpu.h"

namespace heed {
namespace {

struct Named {
  BenchCase bench;
  std::string label, family;
};

Expected<void> add_matmul(KernelBench& bench, std::vector<Named>& all) {
  constexpr int kRows[] = {1, 4, 16, 64, 512};
  for (const DType type : {DType::q4_k, DType::q8_0}) {
    HEED_ASSIGN(auto cases, matmul_cases(type, {1536, 8960}, kRows, bench));
    for (std::size_t i = 0; i < cases.size(); ++i)
      all.push_back({std::move(cases[i]), std::to_string(kRows[i]) + (i == 0 ? " row" : " rows"),
                     "matmul " + std::string(info(type).name)});
  }
  return {};
}

Expected<void> add_attention(KernelBench& bench, std::vector<Named>& all) {
  const AttentionShape decode{"decode 14/2 d64 32k", 14, 2, 64, 1, 32768, {.causal = true}};
  const AttentionShape prompt{"prefill 14/2 d64 2k", 14, 2, 64, 2048, 2048, {.causal = true}};
  for (const AttentionShape& s : {decode, prompt}) {
    HEED_ASSIGN(BenchCase c, attention_case(s, bench));
    all.push_back({std::move(c), s.queries == 1 ? "decode 32k" : "prefill 2k", "attention"});
  }
  return {};
}

double figure(const BenchResult& r, const char* name) {
  for (const auto& [key, value] : r.more)
    if (key == name) return value;
  return 0;
}

Roofline roofline_of(const KernelBench& bench, const std::vector<Named>& all) {
  Roofline r{.title = "What heed's kernels reach of what this CPU can do",
             .subtitle = cpu_name() + ", " + bench.kernels.name + ", " + std::to_string(bench.pool.threads()) +
                         " threads; " + (bench.activations == ActivationMode::exact ? "exact" : "fast") +
                         " activations; dashed: reads, lines: arithmetic, both measured"};
  for (std::size_t i = 0; i < kArithmetics; ++i)
    if (static_cast<Arithmetic>(i) != Arithmetic::bf16 || bench.kernels.name == std::string_view("avx512bf16"))
      r.roofs.push_back({kArithmeticNames[i], median(bench.ceilings.gops[i])});
  for (const ReadLevel& read : bench.ceilings.reads)
    if (read.name == "L2 read" || read.name == "memory read") r.roofs.push_back({read.name, median(read.gbs), true});
  for (const Named& n : all) {
    const BenchResult& result = n.bench.result;
    r.points.push_back(
        {n.label, n.family, figure(result, "operations") / figure(result, "bytes"), median(result.values)});
  }
  return r;
}

}  // namespace

Expected<void> bench_roofline(const BenchOptions& o) {
  std::ofstream out;
  if (!o.plot_path.empty()) {
    out.open(o.plot_path);
    if (!out)
      return fail(Code::io,
                  "roofline: could not write " + o.plot_path + ": name a file in a folder that is there and yours",
                  "plot");
  }
  HEED_ASSIGN(auto bench, KernelBench::make(o));
  for (std::size_t i = 0; i < kArithmetics; ++i)
    print_result(o, {.name = kArithmeticNames[i], .unit = "GOP/s", .values = bench->ceilings.gops[i]});
  for (const ReadLevel& r : bench->ceilings.reads) print_result(o, {.name = r.name, .unit = "GB/s", .values = r.gbs});
  std::vector<Named> all;
  HEED_TRY(add_matmul(*bench, all));
  HEED_TRY(add_attention(*bench, all));
  for (Named& n : all) {
    for (std::int32_t run = 0; run < o.runs; ++run) HEED_TRY(run_once(n.bench));
    print_result(o, n.bench.result);
  }
  if (o.plot_path.empty()) return {};
  out << roofline_svg(roofline_of(*bench, all));
  if (!out.flush()) return fail(Code::io, "roofline: could not write " + o.plot_path + ": is the disk full?", "plot");
  return {};
}

}  // namespace heed
