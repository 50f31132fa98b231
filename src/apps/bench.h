// bench.h -- what the benchmark groups share: cases, repeated runs, medians, one JSON line a case, turns with a peer.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/loaded_model.h"

namespace heed {

struct Kernels;

struct BenchOptions {
  std::vector<std::string> models;  // names or paths
  std::int32_t runs = 5;
  bool json = false;
  bool turns = false;  // one run per line on standard input, so that a peer can take turns
  LoadOptions load;

  std::int32_t prefill = 512;    // llm, longctx: prompt tokens
  std::int32_t decode = 128;     // llm, longctx: tokens after it
  std::int32_t depth = 0;        // llm: tokens already in the cache
  std::int32_t sequences = 1;    // llm: decoded together, one token each a step
  std::vector<int> depths;       // longctx
  std::int32_t prompt_runs = 1;  // longctx: runs of the long prompt

  std::vector<std::string> types, shapes;  // matmul: encodings, "KxN"
  std::vector<int> rows;                   // matmul
  std::string filter;                      // attention: cases whose name contains it
  std::string attention_case;              // attention: one case of one's own
  std::string plot_path;                   // roofline

  AttentionPolicy attention;                   // of every sequence
  bool only_full = false;                      // policies: no lossy one
  bool skip_turns = false;                     // policies: only the prompt with needles
  std::vector<std::int32_t> lengths = {4096};  // policies: tokens of a prompt

  std::string source_path;  // speculation: the file to be edited
  std::int32_t tokens = 0;  // speculation: longest answer; 0: as long as each task needs

  std::string text_path;         // quality, policies, tokenize: UTF-8 text
  std::string reference_path;    // quality: logits of another engine
  std::string save_path;         // quality: write heed's logits
  std::string tokens_path;       // quality: write the token ids
  bool perplexity_only = false;  // quality: no divergence
  std::int32_t chunks = 20;      // quality: chunks of 512 tokens
};

struct BenchResult {
  std::string name;              // "prefill 512 qwen2.5-coder-0.5b-instruct"
  std::string unit;              // "tokens/s"
  std::vector<double> values;    // one a run
  std::string bound;             // what limits it: "int8", "memory read"; empty: no ceiling is known
  std::vector<double> ceilings;  // in `unit`, where that bound is reached; measured beside each run
  std::vector<std::pair<std::string, double>> more;  // further figures of a JSON line
};

/// One figure and how to take it once; where a ceiling is known, also how to measure that. Both see the same noise.
struct BenchCase {
  BenchResult result;
  std::function<Expected<double>()> run;
  std::function<Expected<double>()> ceiling;
};

int bench_threads(const BenchOptions& options);
Expected<const Kernels*> bench_kernels(const BenchOptions& options);
double median(std::vector<double> values);

/// Median with the spread, as JSON (contract.md) or as text.
void print_result(const BenchOptions& options, const BenchResult& result);

/// One run, and its ceiling's.
Expected<void> run_once(BenchCase& bench_case);

/// Runs all cases `runs` times, round after round, and prints them. With `turns`: prints {"cases": [names]}, then takes
/// one round and prints it, then {"done": true}, for each line "run"; ends at "next" or at the end of the input.
Expected<void> run_cases(const BenchOptions& options, std::span<BenchCase> cases);

double seconds_now();
/// Seconds of one call, the mean over as many calls as fit into about 20 ms, at least one.
Expected<double> seconds_per_call(const std::function<Expected<void>()>& call);

Expected<void> bench_machine(const BenchOptions& options);
Expected<void> bench_matmul(const BenchOptions& options);
Expected<void> bench_attention(const BenchOptions& options);
Expected<void> bench_roofline(const BenchOptions& options);
Expected<void> bench_llm(const BenchOptions& options);
Expected<void> bench_longctx(const BenchOptions& options);
Expected<void> bench_load(const BenchOptions& options);
Expected<void> bench_policies(const BenchOptions& options);
Expected<void> bench_quality(const BenchOptions& options);
Expected<void> bench_speculation(const BenchOptions& options);
Expected<void> bench_tokenize(const BenchOptions& options);

}  // namespace heed
