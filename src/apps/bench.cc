// bench.cc -- `heed bench GROUP`: options, and how results are printed.
#include "apps/bench.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/attention_options.h"
#include "apps/command.h"
#include "apps/model_path.h"
#include "core/cpu.h"
#include "core/thread_pool.h"
#include "kernels/kernels.h"

namespace heed {
namespace {

struct Group {
  const char* name;
  const char* help;
  Expected<void> (*run)(const BenchOptions&);
};

constexpr Group kGroups[] = {
    {"machine", "what this machine can do: memory bandwidth, integer and float peaks", bench_machine},
    {"llm", "prefill, decode, load time and peak memory of whole models", bench_llm},
    {"policies", "lossy attention: perplexity, recall and speed of each policy", bench_policies},
    {"quality", "perplexity, and divergence from the same weights in f32", bench_quality},
};

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  const std::size_t n = v.size();
  return n == 0 ? 0 : n % 2 == 1 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

}  // namespace

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void print_result(const BenchOptions& o, const BenchResult& r) {
  const auto [low, high] = std::minmax_element(r.values.begin(), r.values.end());
  const double value = median(r.values);
  const int threads = o.load.threads > 0 ? o.load.threads : ThreadPool::usable_cpus();
  const std::string isa = o.load.cpu.empty() ? best_kernels().name : o.load.cpu;
  if (!o.json) {
    std::printf("%-56s %12.5g %-9s (%.5g .. %.5g, %zu run%s)\n", r.name.c_str(), value, r.unit.c_str(), *low, *high,
                r.values.size(), r.values.size() == 1 ? "" : "s");
    return;
  }
  nlohmann::ordered_json line = {{"case", r.name}, {"value", value}, {"unit", r.unit}, {"median_of", r.values.size()}};
  line["spread"] = {*low, *high};
  line["threads"] = threads;
  line["cpu"] = cpu_name();
  line["isa"] = isa;
  std::printf("%s\n", line.dump().c_str());
  std::fflush(stdout);
}

void add_bench(CLI::App& app, Command& command) {
  CLI::App* sub = app.add_subcommand("bench", "measure speed and quality");
  sub->footer(
      "Examples:\n  heed bench machine\n  heed bench llm --model qwen2.5-coder-0.5b-instruct --json\n"
      "  heed bench quality --text wiki.test.raw --chunks 20\n"
      "  heed bench policies --length 8192 --attention topk_pages --budget 2048");
  sub->require_subcommand(1);
  auto o = std::make_shared<BenchOptions>();
  for (const Group& group : kGroups) {
    CLI::App* g = sub->add_subcommand(group.name, group.help);
    g->add_flag("--json", o->json, "one JSON object a line");
    g->add_option("--threads", o->load.threads, "compute threads (0: all this process may use)")
        ->check(CLI::Range(0, 1024));
    g->add_option("--cpu", o->load.cpu, "kernel table: scalar, avx2, avx512, ... (default: best)")->envname("HEED_CPU");
    if (group.run != bench_machine) {
      g->add_option("--model", o->models, "name or path, repeatable (default: the default model)");
      g->add_option("--kv-dtype", o->load.kv_dtype, "keys and values: f16, bf16 or f32");
      g->add_option("--activations", o->load.activations, "exact (16 bits) or fast (8 bits)");
      add_attention_options(*g, o->attention);
      g->add_option("--weights", o->load.weights, "file, or f32: dequantized");
    }
    if (group.run == bench_llm) {
      g->add_option("--prefill", o->prefill, "prompt tokens")->check(CLI::Range(0, 1 << 20));
      g->add_option("--decode", o->decode, "tokens decoded one by one")->check(CLI::Range(0, 1 << 20));
      g->add_option("--depth", o->depth, "tokens already in the cache")->check(CLI::Range(0, 1 << 20));
      g->add_option("--runs", o->runs, "runs (median and spread are printed)")->check(CLI::Range(1, 1000));
    }
    if (group.run == bench_policies) {
      o->text_path = "../shared/data/text/wiki.test.raw";
      g->add_option("--text", o->text_path, "UTF-8 text (default: " + o->text_path + ")");
      g->add_option("--length", o->lengths, "tokens of a prompt, repeatable")->check(CLI::Range(1024, 1 << 20));
      g->add_flag("--only-full", o->only_full, "only the policy that loses nothing");
    }
    if (group.run == bench_quality) {
      o->text_path = "../shared/data/text/wiki.test.raw";
      g->add_option("--text", o->text_path, "UTF-8 text (default: " + o->text_path + ")");
      g->add_option("--chunks", o->chunks, "chunks of 512 tokens")->check(CLI::Range(1, 1 << 20));
      g->add_option("--reference", o->reference_path, "logits of another engine instead of heed's float path");
      g->add_option("--save-tokens", o->tokens_path, "write the token ids there (JSON)");
      g->add_flag("--perplexity-only", o->perplexity_only, "no divergence");
      g->add_option("--save-logits", o->save_path, "write heed's logits there");
    }
    g->callback([o, &command, run = group.run] {
      command.run = [o, run] {
        if (o->models.empty()) o->models = {"default"};
        return run(*o);
      };
    });
  }
}

}  // namespace heed
