// sampler.h -- from logits to one token: penalties, bias, temperature, top-k, top-p, min-p, seeded choice.
#pragma once
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "core/expected.h"

namespace heed {

struct SamplingParams {
  float temperature = 1.0f;        // 0: greedy
  std::int32_t top_k = 0;          // 0: all
  float top_p = 1.0f;              // (0, 1]
  float min_p = 0.0f;              // [0, 1)
  float repetition_penalty = 1.0f; // > 0; CTRL-style over prompt and output
  float presence_penalty = 0.0f;   // [-2, 2]; over output
  float frequency_penalty = 0.0f;  // [-2, 2]; over output
  std::vector<std::pair<std::int32_t, float>> logit_bias;  // [-100, 100]
  std::uint64_t seed = 0;
  std::int32_t top_logprobs = -1;  // -1: no logprobs; 0..20 alternatives
};

/// Names the field that is out of range.
Expected<void> check(const SamplingParams& params, std::int32_t vocab_size);

struct TokenLogprob {
  std::int32_t token = 0;
  float logprob = 0;
};

struct SampledToken {
  std::int32_t token = 0;
  float logprob = 0;                  // of the raw (unmodified) distribution; 0 when not asked for
  std::vector<TokenLogprob> top;      // descending; ties by lower id
};

/// One per sequence. Deterministic: same params, same history, same logits -> same token on every machine with the
/// same logits. The random number is a counter-based function of (seed, position), so nothing depends on the batch.
class Sampler {
 public:
  Sampler(SamplingParams params, std::int32_t vocab_size);
  /// Counts prompt tokens for the repetition penalty.
  void observe_prompt(std::span<const std::int32_t> tokens);
  /// logits [vocab]; may be overwritten. Also counts the chosen token.
  SampledToken sample(std::span<float> logits);

 private:
  SamplingParams params_;
  std::vector<std::int32_t> output_count_;  // [vocab] (empty unless a penalty needs it)
  std::vector<bool> seen_;                  // [vocab]
  std::vector<std::pair<float, std::int32_t>> scratch_;
  std::uint64_t position_ = 0;
};

}  // namespace heed
