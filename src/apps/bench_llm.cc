// bench_llm.cc -- prefill and decode of whole models, load time, peak memory.
#include <sys/resource.h>

#include <algorithm>

#include "apps/bench.h"
#include "apps/model_path.h"

namespace heed {
namespace {

// Fixed pseudo-random ids: speed does not depend on the text, and peers are given the same ones.
std::vector<std::int32_t> bench_tokens(std::int32_t n, std::int32_t vocab) {
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(n));
  std::uint32_t x = 42;
  for (auto& t : tokens) {
    x = x * 1664525u + 1013904223u;
    t = static_cast<std::int32_t>(x >> 8) % std::min(vocab, 32000);
  }
  return tokens;
}

double peak_memory_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024.0;
}

struct Runner {
  LanguageModel& model;
  std::vector<float> logits;
  std::unique_ptr<ModelState> state;

  Expected<void> feed(std::span<const std::int32_t> tokens, std::span<float> out) {
    const auto most = static_cast<std::size_t>(model.max_step_tokens());
    for (std::size_t i = 0; i < tokens.size(); i += most) {
      const auto part = tokens.subspan(i, std::min(most, tokens.size() - i));
      HEED_TRY(model.reserve(*state, static_cast<std::int32_t>(part.size())));
      StepItem item{state.get(), part, i + part.size() == tokens.size() ? out : std::span<float>{}};
      HEED_TRY(model.step({&item, 1}));
    }
    return {};
  }
};

Expected<void> run_once(Runner& r, const BenchOptions& o, std::span<const std::int32_t> tokens, BenchResult& prefill,
                        BenchResult& decode) {
  r.state = r.model.new_state(o.attention);
  const auto depth = static_cast<std::size_t>(o.depth), prompt = static_cast<std::size_t>(o.prefill);
  HEED_TRY(r.feed(tokens.first(depth), {}));
  if (o.prefill > 0) {
    const double start = seconds_now();
    HEED_TRY(r.feed(tokens.subspan(depth, prompt), r.logits));
    prefill.values.push_back(o.prefill / (seconds_now() - start));
  }
  if (o.decode > 0) {
    // Decode starts from an empty (or `depth` long) cache, as llama-bench measures it.
    r.state->truncate(o.depth);
    const double start = seconds_now();
    for (std::int32_t i = 0; i < o.decode; ++i)
      HEED_TRY(r.feed(tokens.subspan(depth + static_cast<std::size_t>(i), 1), r.logits));
    decode.values.push_back(o.decode / (seconds_now() - start));
  }
  return {};
}

Expected<void> bench_model(const BenchOptions& o, const std::string& name) {
  HEED_ASSIGN(const std::string path, model_path(name));
  const double start = seconds_now();
  HEED_ASSIGN(auto model, load_language_model(path, o.load));
  const double load = seconds_now() - start;
  const std::string at = o.depth > 0 ? " at depth " + std::to_string(o.depth) : "";
  BenchResult prefill{"prefill " + std::to_string(o.prefill) + at + " " + name, "tokens/s", {}};
  BenchResult decode{"decode " + std::to_string(o.decode) + at + " " + name, "tokens/s", {}};
  Runner r{*model, std::vector<float>(static_cast<std::size_t>(model->vocab_size())), nullptr};
  const auto tokens = bench_tokens(o.depth + std::max(o.prefill, o.decode), model->vocab_size());
  BenchResult warm_prefill, warm_decode;
  BenchOptions warm = o;
  warm.prefill = std::min(o.prefill, 64), warm.decode = std::min(o.decode, 4), warm.depth = 0;
  HEED_TRY(run_once(r, warm, tokens, warm_prefill, warm_decode));
  for (std::int32_t i = 0; i < o.runs; ++i) HEED_TRY(run_once(r, o, tokens, prefill, decode));
  if (!prefill.values.empty()) print_result(o, prefill);
  if (!decode.values.empty()) print_result(o, decode);
  print_result(o, {"load " + name, "s", {load}});
  print_result(o, {"peak memory " + name, "MiB", {peak_memory_mib()}});
  return {};
}

}  // namespace

Expected<void> bench_llm(const BenchOptions& options) {
  for (const std::string& name : options.models) HEED_TRY(bench_model(options, name));
  return {};
}

}  // namespace heed
