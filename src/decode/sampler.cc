// sampler.cc -- the choice of one token: filters without sorting a whole vocabulary, one counter-based random number.
#include "decode/sampler.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "decode/softmax.h"

namespace heed {
namespace {

constexpr std::size_t kBlock = 1024;       // tokens per partial sum
constexpr std::size_t kSmallSelect = 512;  // up to here a bounded heap beats selection over a copy of the vocabulary

/// The order of candidates: higher logit first, ties to the lower id.
bool is_before(const std::pair<float, std::int32_t>& a, const std::pair<float, std::int32_t>& b) noexcept {
  return a.first != b.first ? a.first > b.first : a.second < b.second;
}

/// SplitMix64's finalizer (Steele, Lea, Flood 2014): every input bit reaches every output bit.
std::uint64_t mix(std::uint64_t x) noexcept {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

Error out_of_range(const char* field, const std::string& expected, const std::string& got) {
  return fail(Code::invalid_argument, "sampling: " + std::string(field) + " must be " + expected + ", got " + got,
              field);
}

/// The n first candidates in order, by a bounded heap: one pass, nearly always one comparison a token.
void select_small(std::span<const float> logits, std::size_t n, std::vector<std::pair<float, std::int32_t>>& out) {
  out.clear();
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const float logit = logits[i];
    const bool is_out = !is_usable(logit) || (out.size() == n && logit <= out.front().first);
    if (is_out) continue;  // ids ascend, so a tie with the heap's worst loses
    if (out.size() == n) {
      std::pop_heap(out.begin(), out.end(), is_before);
      out.pop_back();
    }
    out.emplace_back(logit, static_cast<std::int32_t>(i));
    std::push_heap(out.begin(), out.end(), is_before);
  }
  std::sort_heap(out.begin(), out.end(), is_before);
}

/// The n first candidates in order.
void select(std::span<const float> logits, std::size_t n, std::vector<std::pair<float, std::int32_t>>& out) {
  if (n <= kSmallSelect) return select_small(logits, n, out);
  out.clear();
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (is_usable(logits[i])) out.emplace_back(logits[i], static_cast<std::int32_t>(i));
  }
  if (n < out.size()) {
    std::nth_element(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(n), out.end(), is_before);
    out.resize(n);
  }
  std::sort(out.begin(), out.end(), is_before);
}

/// What turns logits into log-probabilities.
struct Scale {
  Peak peak;
  double log_sum = 0;
};

Scale scale_of(std::span<const float> logits) noexcept {
  const Peak peak = find_peak(logits);
  return {peak, peak.token < 0 ? 0.0 : log_sum_above(logits, peak.logit)};
}

float to_logprob(float logit, const Scale& scale) noexcept {
  if (scale.peak.token < 0 || !is_usable(logit)) return kImpossibleLogprob;
  const double logprob = static_cast<double>(logit) - static_cast<double>(scale.peak.logit) - scale.log_sum;
  return std::max(kImpossibleLogprob, static_cast<float>(logprob));
}

void list_top(std::span<const float> logits, const Scale& scale, std::int32_t n, std::vector<TokenLogprob>& out) {
  if (n <= 0) return;
  std::vector<std::pair<float, std::int32_t>> top;
  select_small(logits, static_cast<std::size_t>(n), top);
  for (const auto& [logit, token] : top) out.push_back({token, to_logprob(logit, scale)});
}

}  // namespace

Expected<void> check(const SamplingParams& p, std::int32_t vocab_size) {
  const auto between = [](float x, float low, float high) { return x >= low && x <= high; };  // false for NaN
  if (!between(p.temperature, 0.0f, 1e4f))
    return out_of_range("temperature", "in [0, 10000]", std::to_string(p.temperature));
  if (p.top_k < 0) return out_of_range("top_k", "0 (all) or positive", std::to_string(p.top_k));
  if (!between(p.top_p, 0.0f, 1.0f) || p.top_p == 0.0f)
    return out_of_range("top_p", "in (0, 1]", std::to_string(p.top_p));
  if (!between(p.min_p, 0.0f, 1.0f) || p.min_p == 1.0f)
    return out_of_range("min_p", "in [0, 1)", std::to_string(p.min_p));
  if (!between(p.repetition_penalty, 1e-4f, 1e4f)) {
    return out_of_range("repetition_penalty", "in [0.0001, 10000]", std::to_string(p.repetition_penalty));
  }
  if (!between(p.presence_penalty, -2.0f, 2.0f)) {
    return out_of_range("presence_penalty", "in [-2, 2]", std::to_string(p.presence_penalty));
  }
  if (!between(p.frequency_penalty, -2.0f, 2.0f)) {
    return out_of_range("frequency_penalty", "in [-2, 2]", std::to_string(p.frequency_penalty));
  }
  if (p.top_logprobs < -1 || p.top_logprobs > 20) {
    return out_of_range("top_logprobs", "in [-1, 20]", std::to_string(p.top_logprobs));
  }
  for (const auto& [token, bias] : p.logit_bias) {
    if (token < 0 || token >= vocab_size) {
      return out_of_range("logit_bias", "keyed by tokens in [0, " + std::to_string(vocab_size) + ")",
                          std::to_string(token));
    }
    if (!between(bias, -100.0f, 100.0f)) return out_of_range("logit_bias", "in [-100, 100]", std::to_string(bias));
  }
  return {};
}

SampledToken score_token(std::span<const float> logits, std::int32_t token, std::int32_t top_logprobs) {
  SampledToken out{token, kImpossibleLogprob, {}};
  const Scale scale = scale_of(logits);
  const bool is_known = token >= 0 && static_cast<std::size_t>(token) < logits.size();
  if (is_known) out.logprob = to_logprob(logits[static_cast<std::size_t>(token)], scale);
  list_top(logits, scale, top_logprobs, out.top);
  return out;
}

Sampler::Sampler(SamplingParams params, std::int32_t vocab_size) : params_(std::move(params)) {
  const auto vocab = static_cast<std::size_t>(std::max(vocab_size, 0));
  const bool counts_output = params_.presence_penalty != 0.0f || params_.frequency_penalty != 0.0f;
  if (counts_output) output_count_.assign(vocab, 0);
  if (counts_output || params_.repetition_penalty != 1.0f) seen_.assign(vocab, false);
  if (params_.temperature > 0.0f) inverse_temperature_ = 1.0 / static_cast<double>(params_.temperature);
}

void Sampler::note(std::int32_t token) {
  const auto at = static_cast<std::size_t>(token);
  if (token < 0 || at >= seen_.size() || seen_[at]) return;
  seen_[at] = true;
  seen_list_.push_back(token);
}

void Sampler::observe_prompt(std::span<const std::int32_t> tokens) {
  if (params_.repetition_penalty == 1.0f) return;
  for (const std::int32_t token : tokens) note(token);
}

SampledToken Sampler::sample(std::span<float> logits) {
  const bool wants_logprobs = params_.top_logprobs >= 0;
  SampledToken out;
  Scale raw;
  if (wants_logprobs) {
    raw = scale_of(logits);
    list_top(logits, raw, params_.top_logprobs, out.top);
  }
  adjust(logits);
  out.token = choose(logits);
  if (wants_logprobs) out.logprob = to_logprob(raw_logit(logits, out.token), raw);
  note(out.token);
  if (static_cast<std::size_t>(out.token) < output_count_.size()) ++output_count_[static_cast<std::size_t>(out.token)];
  ++position_;
  return out;
}

double Sampler::uniform() const noexcept {
  const std::uint64_t bits = mix(mix(params_.seed + 0x9e3779b97f4a7c15ULL) + (position_ + 1) * 0x9e3779b97f4a7c15ULL);
  return static_cast<double>(bits >> 11) * 0x1.0p-53;
}

double Sampler::weight(float logit, float max) const noexcept {
  return exp_of_negative((static_cast<double>(logit) - static_cast<double>(max)) * inverse_temperature_);
}

std::int32_t Sampler::choose(std::span<const float> logits) {
  const Peak peak = find_peak(logits);
  if (peak.token < 0) return 0;
  if (params_.temperature == 0.0f || params_.top_k == 1) return peak.token;
  const bool has_top_k = params_.top_k > 0 && static_cast<std::size_t>(params_.top_k) < logits.size();
  if (has_top_k) return choose_sorted(logits, peak.logit);
  if (params_.top_p < 1.0f) return choose_top_p(logits, peak.logit);
  return choose_unsorted(logits, peak.logit);
}

double Sampler::mass_by_block(std::span<const float> logits, float max) {
  const auto min_p = static_cast<double>(params_.min_p);
  double total = 0;
  block_mass_.clear();
  for (std::size_t begin = 0; begin < logits.size(); begin += kBlock) {
    const auto block = logits.subspan(begin, std::min(kBlock, logits.size() - begin));
    block_mass_.push_back(sum_weights(block, max, inverse_temperature_, min_p));
    total += block_mass_.back();
  }
  return total;
}

/// Without top_k and top_p the order of tokens does not matter: walk the blocks' sums, then one block.
std::int32_t Sampler::choose_unsorted(std::span<const float> logits, float max) {
  const auto min_p = static_cast<double>(params_.min_p);
  double left = mass_by_block(logits, max) * uniform();
  std::size_t block = 0;
  while (block + 1 < block_mass_.size() && left >= block_mass_[block]) left -= block_mass_[block++];
  while (block_mass_[block] == 0.0 && block > 0) --block;  // rounding ran off the end: the last block with any mass
  const std::size_t end = std::min((block + 1) * kBlock, logits.size());
  std::size_t last = block * kBlock;
  for (std::size_t i = block * kBlock; i < end; ++i) {
    const double w = is_usable(logits[i]) ? weight(logits[i], max) : 0.0;
    if (w < min_p || w == 0.0) continue;
    last = i;
    if (left < w) break;
    left -= w;
  }
  return static_cast<std::int32_t>(last);
}

/// `kept` is not empty; `mass` is the sum of its weights.
std::int32_t Sampler::draw(std::span<const Candidate> kept, float max, double mass) const {
  double left = mass * uniform();
  for (const auto& [logit, token] : kept) {
    const double w = weight(logit, max);
    if (left < w) return token;
    left -= w;
  }
  return kept.front().second;
}

/// top_k (min_p before it, top_p after it): everything happens inside k sorted candidates.
std::int32_t Sampler::choose_sorted(std::span<const float> logits, float max) {
  select(logits, static_cast<std::size_t>(params_.top_k), scratch_);
  const auto is_likely = [&](const Candidate& c) { return weight(c.first, max) >= static_cast<double>(params_.min_p); };
  scratch_.erase(std::partition_point(scratch_.begin(), scratch_.end(), is_likely), scratch_.end());
  double total = 0;
  for (const auto& c : scratch_) total += weight(c.first, max);
  if (params_.top_p >= 1.0f) return draw(scratch_, max, total);
  double mass = 0;
  std::size_t kept = 0;
  while (kept < scratch_.size() && mass < total * static_cast<double>(params_.top_p)) {
    mass += weight(scratch_[kept++].first, max);
  }
  return draw(std::span(scratch_).first(std::max<std::size_t>(kept, 1)), max, mass);
}

/// top_p alone: the mass of all is known from one pass; then look at more and more of the likeliest until they hold p
/// of it.
std::int32_t Sampler::choose_top_p(std::span<const float> logits, float max) {
  const double wanted = mass_by_block(logits, max) * static_cast<double>(params_.top_p);
  const auto min_p = static_cast<double>(params_.min_p);
  for (std::size_t n = 128;; n *= 16) {
    select(logits, std::min(n, logits.size()), scratch_);
    double mass = 0;
    std::size_t kept = 0;
    while (kept < scratch_.size() && mass < wanted) {
      const double w = weight(scratch_[kept].first, max);
      if (w < min_p) break;
      mass += w;
      ++kept;
    }
    const bool is_whole = kept < scratch_.size() || mass >= wanted || n >= logits.size();
    if (is_whole) return draw(std::span(scratch_).first(std::max<std::size_t>(kept, 1)), max, mass);
  }
}

}  // namespace heed
