// penalties.cc -- what changes logits before the choice: repetition, presence and frequency penalties, bias.
#include "decode/sampler.h"
#include "decode/softmax.h"

namespace heed {

void Sampler::change(std::span<float> logits, std::int32_t token, float value) {
  float& logit = logits[static_cast<std::size_t>(token)];
  if (params_.top_logprobs >= 0) changes_.push_back({token, logit});
  logit = value;
}

/// Costs the number of distinct tokens so far, not the vocabulary.
void Sampler::adjust(std::span<float> logits) {
  changes_.clear();
  const float repetition = params_.repetition_penalty;
  for (const std::int32_t token : seen_list_) {
    const auto at = static_cast<std::size_t>(token);
    if (at >= logits.size() || !is_usable(logits[at])) continue;
    float value = logits[at];
    if (repetition != 1.0f) value = value > 0.0f ? value / repetition : value * repetition;  // CTRL, Keskar et al. 2019
    const std::int32_t count = output_count_.empty() ? 0 : output_count_[at];
    if (count > 0) value -= static_cast<float>(count) * params_.frequency_penalty + params_.presence_penalty;
    change(logits, token, value);
  }
  for (const auto& [token, bias] : params_.logit_bias) {
    const bool is_inside = token >= 0 && static_cast<std::size_t>(token) < logits.size();
    if (is_inside) change(logits, token, logits[static_cast<std::size_t>(token)] + bias);
  }
}

float Sampler::raw_logit(std::span<const float> logits, std::int32_t token) const noexcept {
  for (const Change& c : changes_) {
    if (c.token == token) return c.raw;  // the first change saw the model's own value
  }
  return static_cast<std::size_t>(token) < logits.size() ? logits[static_cast<std::size_t>(token)] : 0.0f;
}

}  // namespace heed
