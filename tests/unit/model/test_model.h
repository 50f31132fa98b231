// test_model.h -- a tiny golden model, loaded and ready to step. Shared by the model tests.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "cache/kv_cache.h"
#include "formats/gguf.h"
#include "kernels/kernels.h"
#include "model/family.h"
#include "model/forward.h"

namespace heed {

/// Fixed pseudo-random ids below 64.
inline std::vector<std::int32_t> some_tokens(std::size_t n, std::uint32_t seed = 7) {
  std::vector<std::int32_t> tokens(n);
  for (auto& t : tokens) t = static_cast<std::int32_t>((seed = seed * 1664525u + 1013904223u) >> 26);
  return tokens;
}

struct TestModel {
  explicit TestModel(int threads, const Kernels& table, DType kv = DType::f32)
      : pool(threads), kernels(&table), kv_dtype(kv) {}

  Expected<void> load(const std::string& family) {
    HEED_ASSIGN(file, GgufFile::open(std::string(HEED_SOURCE_DIR) + "/tests/golden/models/" + family + ".gguf"));
    return load(file);
  }

  /// Any model file, which outlives this.
  Expected<void> load(const ModelFile& from, const LoadWeightsOptions& how = {}) {
    HEED_ASSIGN(spec, read_spec(from.metadata()));
    HEED_ASSIGN(arena, Arena::make(step_bytes(spec, 256, 256)));
    Exec e = exec();
    HEED_ASSIGN(weights, load_weights(spec, from, e, how));
    HEED_ASSIGN(PagePool made, PagePool::make(kv_layers(spec), kv_dtype, 16));
    pages = std::make_unique<PagePool>(std::move(made));
    return {};
  }

  Exec exec() { return {pool, arena, *kernels, counters}; }

  /// Runs `tokens` through `cache`; returns the logits of all of them [tokens, vocab].
  Expected<std::vector<float>> run(KvCache& cache, std::span<const std::int32_t> tokens, const ForwardTrace& trace = {},
                                   const AttentionPlan* plan = nullptr) {
    std::vector<float> logits(tokens.size() * static_cast<std::size_t>(spec.vocab));
    HEED_TRY(cache.reserve(cache.length() + static_cast<std::int32_t>(tokens.size())));
    ForwardItem item{.cache = &cache, .tokens = tokens, .logits = logits, .plan = plan};
    Exec e = exec();
    HEED_TRY(forward(spec, weights, {&item, 1}, e, trace));
    return logits;
  }

  GgufFile file;
  ModelSpec spec;
  ThreadPool pool;
  const Kernels* kernels;
  DType kv_dtype;
  Counters counters;
  Arena arena;
  ModelWeights weights;
  std::unique_ptr<PagePool> pages;
};

}  // namespace heed
