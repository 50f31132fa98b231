// bench.h -- what the benchmark groups share: repeated runs, medians, one JSON line a case.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/loaded_model.h"

namespace heed {

struct BenchOptions {
  std::vector<std::string> models;  // names or paths
  std::string text_path;            // quality: UTF-8 text
  std::string reference_path;       // quality: logits of another engine
  std::string save_path;            // quality: write heed's logits
  std::string tokens_path;          // quality: write the token ids
  bool perplexity_only = false;     // quality: no divergence
  std::int32_t chunks = 20;         // quality: chunks of 512 tokens
  std::int32_t prefill = 512;       // llm: prompt tokens
  std::int32_t decode = 128;        // llm: tokens after it
  std::int32_t depth = 0;           // llm: tokens already in the cache
  std::int32_t runs = 5;
  bool json = false;
  AttentionPolicy attention;                   // of every sequence
  bool only_full = false;                      // policies: no lossy one
  std::vector<std::int32_t> lengths = {4096};  // policies: tokens of a prompt
  LoadOptions load;
};

struct BenchResult {
  std::string name;            // "prefill 512 qwen2.5-coder-0.5b-instruct"
  std::string unit;            // "tokens/s"
  std::vector<double> values;  // one a run
};

/// Median with the spread, as JSON (contract.md) or as text.
void print_result(const BenchOptions& options, const BenchResult& result);

double seconds_now();

Expected<void> bench_machine(const BenchOptions& options);
Expected<void> bench_llm(const BenchOptions& options);
Expected<void> bench_quality(const BenchOptions& options);
Expected<void> bench_policies(const BenchOptions& options);

}  // namespace heed
