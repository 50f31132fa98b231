// quality.h -- how well a model predicts a text, and how far its predictions are from another's.
#pragma once
#include <cmath>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/expected.h"
#include "engine/loaded_model.h"

namespace heed {

// As llama-perplexity: chunks of 512 tokens, of which token 257 is the first scored (the others give it context).
inline constexpr std::int32_t kChunk = 512, kFirstScored = kChunk / 2 + 1;

/// Logits of the scored positions of one chunk after another.
class Evaluator {
 public:
  static Expected<Evaluator> load(const std::string& path, const LoadOptions& options,
                                  const AttentionPolicy& attention = {});
  LanguageModel& model() { return *model_; }

  /// `tokens` of one chunk -> logits [kChunk - kFirstScored, vocab] of positions kFirstScored-1 .. kChunk-2; valid
  /// until the next call.
  Expected<std::span<const float>> chunk(std::span<const std::int32_t> tokens);

 private:
  std::unique_ptr<LanguageModel> model_;
  AttentionPolicy attention_;
  std::vector<float> logits_;
};

struct QualityScores {
  double negative_log_likelihood = 0, reference_log_likelihood = 0, divergence = 0;
  std::int64_t tokens = 0, same_top = 0;

  /// Rows of `got` and of `want` (or none) for the scored tokens of a chunk.
  void add(std::span<const float> got, std::span<const float> want, std::span<const std::int32_t> chunk,
           std::size_t vocab);
  double perplexity() const { return std::exp(negative_log_likelihood / static_cast<double>(tokens)); }
  double reference_perplexity() const { return std::exp(reference_log_likelihood / static_cast<double>(tokens)); }
  double mean_divergence() const { return divergence / static_cast<double>(tokens); }  // nats, KL(want || got)
};

}  // namespace heed
