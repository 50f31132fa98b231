// bench_run.cc -- how cases are run, timed and printed.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "apps/bench.h"
#include "core/cpu.h"
#include "core/thread_pool.h"
#include "kernels/kernels.h"

namespace heed {
namespace {

constexpr double kLeastSeconds = 0.02;  // of one run: shorter calls are repeated

// Of each run and the ceiling beside it.
double fraction(const BenchResult& r) {
  std::vector<double> fractions;
  for (std::size_t i = 0; i < std::min(r.values.size(), r.ceilings.size()); ++i)
    fractions.push_back(r.values[i] / r.ceilings[i]);
  return median(fractions);
}

void print_json(const BenchOptions& o, const BenchResult& r, double low, double high) {
  const double value = median(r.values);
  nlohmann::ordered_json line = {{"case", r.name}, {"value", value}, {"unit", r.unit}, {"median_of", r.values.size()}};
  line["spread"] = {low, high};
  line["threads"] = bench_threads(o);
  line["cpu"] = cpu_name();
  line["isa"] = o.load.cpu.empty() ? best_kernels().name : o.load.cpu;
  if (!r.ceilings.empty()) {
    line["bound"] = r.bound;
    line["ceiling"] = median(r.ceilings);
    line["fraction"] = fraction(r);
  }
  for (const auto& [name, x] : r.more) line[name] = x;
  std::printf("%s\n", line.dump().c_str());
}

void print_text(const BenchResult& r, double low, double high) {
  const double value = median(r.values);
  std::printf("%-56s %12.5g %-9s (%.5g .. %.5g, %zu run%s)", r.name.c_str(), value, r.unit.c_str(), low, high,
              r.values.size(), r.values.size() == 1 ? "" : "s");
  if (!r.ceilings.empty()) std::printf("  %3.0f %% of %s", 100 * fraction(r), r.bound.c_str());
  std::printf("\n");
}

Expected<void> run_round(std::span<BenchCase> cases) {
  for (BenchCase& c : cases) HEED_TRY(run_once(c));
  return {};
}

Expected<void> take_turns(const BenchOptions& o, std::span<BenchCase> cases) {
  nlohmann::ordered_json names = nlohmann::ordered_json::array();
  for (const BenchCase& c : cases) names.push_back(c.result.name);
  const nlohmann::ordered_json header = {{"cases", names}};
  std::printf("%s\n", header.dump().c_str());
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line) && line == "run";) {
    HEED_TRY(run_round(cases));
    for (BenchCase& c : cases) {
      print_result(o, c.result);
      c.result.values.clear();
      c.result.ceilings.clear();
    }
    std::printf("{\"done\": true}\n");
    std::fflush(stdout);
  }
  return {};
}

}  // namespace

int bench_threads(const BenchOptions& o) { return o.load.threads > 0 ? o.load.threads : ThreadPool::usable_cpus(); }

Expected<const Kernels*> bench_kernels(const BenchOptions& o) {
  const Kernels* kernels = o.load.cpu.empty() ? &best_kernels() : kernels_by_name(o.load.cpu);
  if (!kernels)
    return fail(Code::invalid_argument,
                "bench: this CPU cannot run the kernels \"" + o.load.cpu + "\": leave --cpu out, or take scalar",
                "cpu");
  return kernels;
}

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  const std::size_t n = v.size();
  return n == 0 ? 0 : n % 2 == 1 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Expected<double> seconds_per_call(const std::function<Expected<void>()>& call) {
  const double start = seconds_now();
  double elapsed = 0;
  std::int64_t calls = 0;
  while (elapsed < kLeastSeconds) {
    HEED_TRY(call());
    ++calls;
    elapsed = seconds_now() - start;
  }
  return elapsed / static_cast<double>(calls);
}

void print_result(const BenchOptions& o, const BenchResult& r) {
  const auto [low, high] = std::minmax_element(r.values.begin(), r.values.end());
  if (low == r.values.end()) return;
  if (o.json || o.turns)
    print_json(o, r, *low, *high);
  else
    print_text(r, *low, *high);
  std::fflush(stdout);
}

Expected<void> run_once(BenchCase& c) {
  if (c.ceiling) {
    HEED_ASSIGN(const double ceiling, c.ceiling());
    c.result.ceilings.push_back(ceiling);
  }
  HEED_ASSIGN(const double value, c.run());
  c.result.values.push_back(value);
  return {};
}

Expected<void> run_cases(const BenchOptions& o, std::span<BenchCase> cases) {
  if (o.turns) return take_turns(o, cases);
  for (std::int32_t run = 0; run < o.runs; ++run) HEED_TRY(run_round(cases));
  for (const BenchCase& c : cases) print_result(o, c.result);
  return {};
}

}  // namespace heed
