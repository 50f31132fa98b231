// sampler.h -- from logits to one token: penalties, bias, temperature, top-k, top-p, min-p, seeded choice.
#pragma once
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "core/expected.h"

namespace heed {

struct SamplingParams {
  float temperature = 1.0f;                                // 0: greedy
  std::int32_t top_k = 0;                                  // 0: all
  float top_p = 1.0f;                                      // (0, 1]
  float min_p = 0.0f;                                      // [0, 1)
  float repetition_penalty = 1.0f;                         // > 0; CTRL-style over prompt and output
  float presence_penalty = 0.0f;                           // [-2, 2]; over output
  float frequency_penalty = 0.0f;                          // [-2, 2]; over output
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
  float logprob = 0;              // of the raw (unmodified) distribution; 0 when not asked for
  std::vector<TokenLogprob> top;  // descending; ties by lower id
};

/// What OpenAI-like APIs report for tokens whose probability is zero (or not a number).
inline constexpr float kImpossibleLogprob = -9999.0f;

/// Logprob of `token` and the `top_logprobs` likeliest tokens (-1 and 0: none) under softmax(logits). NaN and +-Inf
/// count as probability zero. logits [vocab].
SampledToken score_token(std::span<const float> logits, std::int32_t token, std::int32_t top_logprobs);

/// One per sequence. Deterministic: same params, same history, same logits -> same token on every machine with the
/// same logits. The random number is a counter-based function of (seed, position), so nothing depends on the batch.
///
/// Order: repetition penalty, presence and frequency penalties, bias; temperature; min_p, then top_k, then top_p of
/// what is left. NaN and +-Inf logits count as -Inf; when nothing else is there, the token is 0.
class Sampler {
 public:
  /// `params` passed check(); bias entries outside the vocabulary are ignored.
  Sampler(SamplingParams params, std::int32_t vocab_size);
  /// Counts prompt tokens for the repetition penalty.
  void observe_prompt(std::span<const std::int32_t> tokens);
  /// logits [vocab]; may be overwritten. Also counts the chosen token.
  SampledToken sample(std::span<float> logits);

 private:
  using Candidate = std::pair<float, std::int32_t>;  // logit, token
  struct Change {
    std::int32_t token;
    float raw;  // the logit before this change
  };

  void note(std::int32_t token);
  void change(std::span<float> logits, std::int32_t token, float value);
  void adjust(std::span<float> logits);
  float raw_logit(std::span<const float> logits, std::int32_t token) const noexcept;
  double uniform() const noexcept;
  std::int32_t choose(std::span<const float> logits);
  std::int32_t choose_unsorted(std::span<const float> logits, float max);
  std::int32_t choose_sorted(std::span<const float> logits, float max);
  std::int32_t choose_top_p(std::span<const float> logits, float max);
  std::int32_t draw(std::span<const Candidate> kept, float max, double mass) const;
  double mass_by_block(std::span<const float> logits, float max);
  double weight(float logit, float max) const noexcept;

  SamplingParams params_;
  double inverse_temperature_ = 1;
  std::vector<std::int32_t> output_count_;  // [vocab] (empty unless a penalty needs it)
  std::vector<bool> seen_;                  // [vocab] (empty unless a penalty needs it); prompt or output
  std::vector<std::int32_t> seen_list_;     // distinct tokens of seen_, in order of appearance
  std::vector<Change> changes_;             // what adjust() overwrote, for raw logprobs
  std::vector<Candidate> scratch_;
  std::vector<double> block_mass_;  // [vocab / 1024 rounded up]
  std::uint64_t position_ = 0;
};

}  // namespace heed
