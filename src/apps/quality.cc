// quality.cc -- perplexity and divergence over the scored half of every chunk.
#include "apps/quality.h"

#include <algorithm>

namespace heed {
namespace {

// log-softmax in place, in double: returns the index of the largest.
std::size_t log_softmax(std::span<const float> logits, std::vector<double>& out) {
  const auto top = std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float x : logits) sum += std::exp(double{x} - *top);
  const double shift = *top + std::log(sum);
  out.resize(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i) out[i] = logits[i] - shift;
  return static_cast<std::size_t>(top - logits.begin());
}

}  // namespace

Expected<Evaluator> Evaluator::load(const std::string& path, const LoadOptions& options,
                                    const AttentionPolicy& attention) {
  Evaluator e;
  e.attention_ = attention;
  HEED_ASSIGN(e.model_, load_language_model(path, options));
  return e;
}

Expected<std::span<const float>> Evaluator::chunk(std::span<const std::int32_t> tokens) {
  const auto vocab = static_cast<std::size_t>(model_->vocab_size());
  const std::size_t scored = kChunk - kFirstScored;
  auto state = model_->new_state(attention_);
  logits_.resize(scored * vocab);
  const auto context = tokens.first(kFirstScored - 1), rest = tokens.subspan(kFirstScored - 1, scored);
  for (const auto& [part, out] : {std::pair{context, std::span<float>{}}, std::pair{rest, std::span<float>(logits_)}}) {
    HEED_TRY(model_->reserve(*state, static_cast<std::int32_t>(part.size())));
    StepItem item{state.get(), part, out};
    HEED_TRY(model_->step({&item, 1}));
  }
  return std::span<const float>(logits_);
}

void QualityScores::add(std::span<const float> got, std::span<const float> want, std::span<const std::int32_t> chunk,
                        std::size_t vocab) {
  std::vector<double> log_p, log_q;
  for (std::size_t row = 0; row + kFirstScored < chunk.size(); ++row) {
    const auto next = static_cast<std::size_t>(chunk[row + kFirstScored]);
    const std::size_t top_q = log_softmax(got.subspan(row * vocab, vocab), log_q);
    negative_log_likelihood -= log_q[next];
    ++tokens;
    if (want.empty()) continue;
    const std::size_t top_p = log_softmax(want.subspan(row * vocab, vocab), log_p);
    reference_log_likelihood -= log_p[next];
    double kl = 0;
    for (std::size_t i = 0; i < vocab; ++i) kl += std::exp(log_p[i]) * (log_p[i] - log_q[i]);
    divergence += kl;
    same_top += top_p == top_q ? 1 : 0;
  }
}

}  // namespace heed
