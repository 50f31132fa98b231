// bench.cc -- `heed bench GROUP`: the groups and their options.
#include "apps/bench.h"

#include "apps/attention_options.h"
#include "apps/command.h"

namespace heed {
namespace {

struct Group {
  const char* name;
  const char* help;
  const char* example;
  void (*add_options)(CLI::App&, BenchOptions&);
  Expected<void> (*run)(const BenchOptions&);
};

void add_runs(CLI::App& g, BenchOptions& o) {
  g.add_option("--runs", o.runs, "runs (median and spread are printed)")->check(CLI::Range(1, 1000));
}

void add_turns(CLI::App& g, BenchOptions& o) {
  g.add_flag("--turns", o.turns, "one run for each line `run` on standard input (bench/compare.py)");
}

void add_kernel_options(CLI::App& g, BenchOptions& o) {
  add_runs(g, o);
  add_turns(g, o);
}

void add_matmul_options(CLI::App& g, BenchOptions& o) {
  add_kernel_options(g, o);
  g.add_option("--type", o.types, "weights' encoding, repeatable (default: all)");
  g.add_option("--shape", o.shapes, "depth x columns, repeatable (default: 896x4864 4864x896 1536x8960 896x151936)");
  g.add_option("--rows", o.rows, "rows of activations, repeatable (default: 1 4 8 16 64 512)")
      ->check(CLI::Range(1, 8192));
  g.add_option("--activations", o.load.activations, "auto, exact (16 bits) or fast (8 bits)");
}

void add_attention_kernel_options(CLI::App& g, BenchOptions& o) {
  add_kernel_options(g, o);
  g.add_option("--filter", o.filter, "only cases whose name contains it");
  g.add_option("--case", o.attention_case,
               "one case: HEADS/KV_HEADS,DIM,QUERIES,KEYS[,causal][,window=N][,bf16|f16|f32|int8|int4], e.g. "
               "14/2,64,1,32768,causal");
}

void add_model_options(CLI::App& g, BenchOptions& o) {
  g.add_option("--model", o.models, "name or path, repeatable (default: the default model)");
  g.add_option("--kv-dtype", o.load.kv_dtype, "keys and values: bf16, f16, f32, int8 or int4");
  g.add_option("--activations", o.load.activations, "auto, exact (16 bits) or fast (8 bits)");
  g.add_option("--weights", o.load.weights, "file, or f32: dequantized");
  add_attention_options(g, o.attention);
  add_lora_option(g, o.load);
  add_pack_options(g, o.load);
}

void add_token_options(CLI::App& g, BenchOptions& o) {
  add_model_options(g, o);
  add_runs(g, o);
  add_turns(g, o);
  g.add_option("--prefill", o.prefill, "prompt tokens")->check(CLI::Range(0, 1 << 20));
  g.add_option("--decode", o.decode, "tokens decoded one by one")->check(CLI::Range(0, 1 << 20));
}

void add_llm_options(CLI::App& g, BenchOptions& o) {
  add_token_options(g, o);
  g.add_option("--depth", o.depth, "tokens already in the cache")->check(CLI::Range(0, 1 << 20));
  g.add_option("--sequences", o.sequences, "sequences decoded together (tokens/s of all)")->check(CLI::Range(1, 256));
}

void add_longctx_options(CLI::App& g, BenchOptions& o) {
  add_token_options(g, o);
  g.add_option("--depth", o.depths, "tokens already in the cache, repeatable (default: 4096 16384 32000)")
      ->check(CLI::Range(64, 1 << 20));
  g.add_option("--prompt-runs", o.prompt_runs, "runs of the whole prompt up to the last depth")
      ->check(CLI::Range(1, 1000));
}

void add_load_options(CLI::App& g, BenchOptions& o) {
  add_model_options(g, o);
  add_runs(g, o);
}

void add_roofline_options(CLI::App& g, BenchOptions& o) {
  add_runs(g, o);
  g.add_option("--plot", o.plot_path, "write the picture there (SVG)");
  g.add_option("--activations", o.load.activations, "auto, exact (16 bits) or fast (8 bits)");
}

void add_quality_options(CLI::App& g, BenchOptions& o) {
  add_model_options(g, o);
  o.text_path = "../shared/data/text/wiki.test.raw";
  g.add_option("--text", o.text_path, "UTF-8 text (default: " + o.text_path + ")");
  g.add_option("--chunks", o.chunks, "chunks of 512 tokens")->check(CLI::Range(1, 1 << 20));
  g.add_option("--reference", o.reference_path, "logits of another engine instead of heed's float path");
  g.add_option("--save-tokens", o.tokens_path, "write the token ids there (JSON)");
  g.add_flag("--perplexity-only", o.perplexity_only, "no divergence");
  g.add_option("--save-logits", o.save_path, "write heed's logits there");
}

void add_policies_options(CLI::App& g, BenchOptions& o) {
  add_model_options(g, o);
  o.text_path = "../shared/data/text/wiki.test.raw";
  g.add_option("--text", o.text_path, "UTF-8 text (default: " + o.text_path + ")");
  g.add_option("--length", o.lengths, "tokens of a prompt, repeatable")->check(CLI::Range(1024, 1 << 20));
  g.add_flag("--skip-turns", o.skip_turns, "no recall over turns: half the time");
  g.add_flag("--only-full", o.only_full, "only the policy that loses nothing");
}

void add_speculation_options(CLI::App& g, BenchOptions& o) {
  add_model_options(g, o);
  add_runs(g, o);
  o.source_path = "bench/data/inventory.py";
  g.add_option("--source", o.source_path, "the file to be edited (default: " + o.source_path + ")");
  g.add_option("--tokens", o.tokens, "longest answer (0: as long as each task needs)")->check(CLI::Range(0, 1 << 20));
}

void add_tokenize_options(CLI::App& g, BenchOptions& o) {
  g.add_option("--model", o.models, "name, path or tokenizer.json, repeatable (default: the default model)");
  add_runs(g, o);
  o.text_path = "../shared/data/text/wiki.test.raw";
  g.add_option("--text", o.text_path, "UTF-8 text (default: " + o.text_path + ")");
}

constexpr Group kGroups[] = {
    {"machine", "this CPU's ceilings: int8, int16, bf16, f32 arithmetic, reads from each cache and from memory",
     "heed bench machine --json", add_runs, bench_machine},
    {"matmul", "packed matrix products per encoding, shape and rows, as fractions of the ceiling",
     "heed bench matmul --type q4_k --shape 1536x8960 --rows 1 --rows 512", add_matmul_options, bench_matmul},
    {"attention", "prefill, decode and windows, as fractions of the ceiling",
     "heed bench attention --filter decode\n  heed bench attention --case 14/2,64,1,32768,causal",
     add_attention_kernel_options, bench_attention},
    {"roofline", "ceilings and kernels in one picture", "heed bench roofline --plot roofline.svg", add_roofline_options,
     bench_roofline},
    {"llm", "prefill, decode, load time and peak memory of whole models",
     "heed bench llm --model qwen2.5-coder-0.5b-instruct --json\n  heed bench llm --prefill 0 --sequences 8\n  "
     "heed bench llm --model smollm2-135m-instruct --lora style.gguf:0.5",
     add_llm_options, bench_llm},
    {"longctx", "decode and prefill deep in a long context, and a long prompt",
     "heed bench longctx --depth 4096 --depth 16384", add_longctx_options, bench_longctx},
    {"load", "seconds until a model can answer, and the memory it takes",
     "heed bench load --model qwen2.5-coder-0.5b-instruct", add_load_options, bench_load},
    {"policies", "lossy attention: perplexity, recall and speed of each policy",
     "heed bench policies --length 8192 --attention topk_pages --budget 2048", add_policies_options, bench_policies},
    {"quality", "perplexity, and divergence from the same weights in f32",
     "heed bench quality --text wiki.test.raw --chunks 20", add_quality_options, bench_quality},
    {"speculation", "an edit and prose with and without guessed tokens, by turns: speed, and equal answers",
     "heed bench speculation --model qwen2.5-coder-0.5b-instruct --runs 3", add_speculation_options, bench_speculation},
    {"tokenize", "text to tokens, MB/s on one thread",
     "heed bench tokenize --model default --model bert/tokenizer.json --text book.txt", add_tokenize_options,
     bench_tokenize},
};

}  // namespace

void add_bench(CLI::App& app, Command& command) {
  CLI::App* sub = app.add_subcommand("bench", "measure speed and quality");
  sub->footer(
      "Examples:\n  heed bench machine\n  heed bench matmul --type q4_k --rows 512\n  heed bench attention --filter "
      "decode\n  heed bench llm --model qwen2.5-coder-0.5b-instruct --json\n  heed bench roofline --plot roofline.svg\n"
      "\n`heed bench GROUP --help` shows each group's options. With --json, one object a line: case, value, unit,\n"
      "median_of, spread, threads, cpu, isa; where a ceiling is known also bound, ceiling, fraction.");
  sub->require_subcommand(1);
  for (const Group& group : kGroups) {
    auto o = std::make_shared<BenchOptions>();
    CLI::App* g = sub->add_subcommand(group.name, group.help);
    g->footer("Example:\n  " + std::string(group.example));
    g->add_flag("--json", o->json, "one JSON object a line");
    g->add_option("--threads", o->load.threads, "compute threads (0: all this process may use)")
        ->check(CLI::Range(0, 1024));
    g->add_option("--cpu", o->load.cpu, "kernel table: scalar, avx2, avx512, ... (default: best)")->envname("HEED_CPU");
    group.add_options(*g, *o);
    g->callback([o, &command, run = group.run] {
      command.run = [o, run] {
        if (o->models.empty()) o->models = {"default"};
        return run(*o);
      };
    });
  }
}

}  // namespace heed
