// sequence.cc -- from logits to deltas of one answer.
#include "engine/sequence.h"

#include <algorithm>
#include <limits>

namespace heed {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::int32_t kShortAnswer = 4;  // tokens: not worth an index of the prompt

std::int32_t token_limit(const GenerationRequest& request, std::int32_t context) {
  if (request.max_tokens < 0) return context;
  const std::int64_t wanted = static_cast<std::int64_t>(request.prompt.size()) + request.max_tokens;
  return static_cast<std::int32_t>(std::min<std::int64_t>(wanted, context));
}

// A lossy policy changes keys and values, so it is part of whose they are.
std::string owner_of(const GenerationRequest& request) {
  const AttentionPolicy& p = request.attention;
  if (!p.is_lossy()) return request.tenant;
  return request.tenant + '\n' + std::string(policy_name(p.kept)) + ' ' + std::to_string(p.window) + ' ' +
         std::to_string(p.sinks) + ' ' + std::to_string(p.budget);
}

double to_ms(std::int64_t ns) { return static_cast<double>(std::max<std::int64_t>(ns, 0)) / kNsPerMs; }

}  // namespace

Sequence::Sequence(GenerationRequest request, std::shared_ptr<GenerationSink> sink, StopMatcher matcher,
                   const LanguageModel& model, std::int64_t now_ns)
    : state_owner_(owner_of(request)),
      request_(std::move(request)),
      sink_(std::move(sink)),
      prompt_length_(static_cast<std::int32_t>(request_.prompt.size())),
      limit_(token_limit(request_, model.context_length())),
      sampler_(request_.sampling, model.vocab_size()),
      text_(model.tokenizer(), std::move(matcher),
            request_.continues_prompt && !model.has_source() ? TextPlace::middle : TextPlace::start),
      submitted_ns_(now_ns) {
  tokens_ = std::move(request_.prompt);
  request_.prompt.clear();
  sampler_.observe_prompt(tokens_);
  const std::int64_t most_ms = (std::numeric_limits<std::int64_t>::max() - now_ns) / kNsPerMs;
  if (request_.deadline_ms > 0) deadline_ns_ = now_ns + std::min(request_.deadline_ms, most_ms) * kNsPerMs;
  if (request_.prompt_logprobs) prompt_scores_.push_back({tokens_[0], 0, {}});  // nothing stands before the first
}

bool Sequence::scores_prompt() const noexcept {
  return request_.prompt_logprobs && fed() + 1 < prompt_length_ &&
         prompt_scores_.size() < static_cast<std::size_t>(prompt_length_);
}

void Sequence::score_prompt(std::int32_t begin, std::int32_t count, std::span<const float> logits, std::int32_t vocab) {
  const auto width = static_cast<std::size_t>(vocab);
  for (std::int32_t i = 0; i < count && begin + i + 1 < prompt_length_; ++i) {
    const auto next = static_cast<std::size_t>(begin) + static_cast<std::size_t>(i) + 1;
    if (next < prompt_scores_.size()) continue;  // scored before a preemption
    const auto row = logits.subspan(static_cast<std::size_t>(i) * width, width);
    prompt_scores_.push_back(score_token(row, tokens_[next], request_.sampling.top_logprobs));
  }
}

void Sequence::report_prefill(std::int64_t now_ns) {
  if (prefilled_ns_ >= 0) return;  // fed again after a preemption
  const std::int32_t done = std::min(fed(), prompt_length_);
  read_for_drafts();
  if (done > prefill_reported_) sink_->on_prefill(done, prompt_length_);
  prefill_reported_ = std::max(done, prefill_reported_);
  if (done < prompt_length_) return;
  prefilled_ns_ = now_ns;
  if (request_.prompt_logprobs) sink_->on_prompt_logprobs(prompt_scores_);
  if (total() >= limit_) finished = FinishReason::length;
}

/// Keeps step with the prefill, so that no step does it all.
void Sequence::read_for_drafts() {
  const std::int32_t answer = limit_ - prompt_length_, done = std::min(fed(), prompt_length_);
  if (!request_.speculates || answer <= kShortAnswer) return;
  if (!drafter_) drafter_ = std::make_unique<Drafter>(request_.prediction, prompt_length_, answer);
  const auto begin = static_cast<std::size_t>(drafter_read_);
  drafter_->read(std::span(tokens_).subspan(begin, static_cast<std::size_t>(done) - begin));
  drafter_read_ = done;
}

std::span<const float> Sequence::draft(std::int32_t most) noexcept {
  draft_ = drafter_ ? drafter_->draft(std::min(most, limit_ - total() - 1)) : Drafter::Draft{};
  return draft_.odds;
}

std::span<const std::int32_t> Sequence::feed(std::int32_t tokens, std::int32_t drafts) noexcept {
  if (drafts == 0) return std::span(tokens_).subspan(static_cast<std::size_t>(fed()), static_cast<std::size_t>(tokens));
  feed_[0] = tokens_.back();
  std::copy_n(draft_.tokens.begin(), drafts, feed_.begin() + 1);
  return std::span(feed_).first(static_cast<std::size_t>(drafts) + 1);
}

void Sequence::accept_draft(std::int32_t drafts, std::span<float> logits, const Tokenizer& tokenizer) {
  const auto count = static_cast<std::size_t>(drafts), vocab = logits.size() / (count + 1);
  std::int32_t right = 0;
  for (std::size_t row = 0; row <= count; ++row) {
    accept(logits.subspan(row * vocab, vocab), tokenizer);
    const bool is_right = row < count && tokens_.back() == feed_[row + 1];
    right += is_right ? 1 : 0;
    if (!is_right || finished) break;
  }
  state->truncate(total() - 1);
  drafted_ += drafts;
  accepted_ += right;
  prediction_drafted_ += std::min(drafts, draft_.from_context);
  prediction_accepted_ += std::min(right, draft_.from_context);
}

void Sequence::accept(std::span<float> logits, const Tokenizer& tokenizer) {
  SampledToken sampled = sampler_.sample(logits);
  const std::int32_t token = sampled.token;
  tokens_.push_back(token);
  if (drafter_) drafter_->write(token);
  const auto ends = tokenizer.end_tokens();
  const bool is_end = !request_.ignore_end && std::find(ends.begin(), ends.end(), token) != ends.end();
  Delta delta;
  if (!is_end) text_.push(std::move(sampled), delta);
  if (is_end || text_.has_stopped()) {
    finished = FinishReason::stop;
  } else if (total() >= limit_) {
    finished = FinishReason::length;
  }
  if (finished) text_.finish(delta);
  if (text_.has_stopped())
    finished = FinishReason::stop;  // a stop string may end with the replacement of a broken character
  send(delta);
}

void Sequence::flush() {
  Delta delta;
  text_.finish(delta);
  send(delta);
}

void Sequence::send(const Delta& delta) {
  if (!delta.text.empty() || !delta.tokens.empty()) sink_->on_delta(delta);
}

void Sequence::mark_admitted(std::int64_t now_ns, std::int32_t cached) noexcept {
  if (admitted_ns_ >= 0) return;  // admitted again after a preemption
  admitted_ns_ = now_ns;
  cached_ = cached;
}

Usage Sequence::usage(std::int64_t now_ns) const noexcept {
  const std::int64_t admitted = admitted_ns_ >= 0 ? admitted_ns_ : now_ns;
  const std::int64_t prefilled = prefilled_ns_ >= 0 ? prefilled_ns_ : now_ns;
  Usage out;
  out.prompt_tokens = prompt_length_;
  out.completion_tokens = total() - prompt_length_;
  out.cached_tokens = cached_;
  out.drafted_tokens = drafted_;
  out.accepted_tokens = accepted_;
  out.accepted_prediction_tokens = prediction_accepted_;
  out.rejected_prediction_tokens = prediction_drafted_ - prediction_accepted_;
  out.stop_index = text_.stop_index();
  out.queue_ms = to_ms(admitted - submitted_ns_);
  out.prefill_ms = to_ms(prefilled - admitted);
  out.decode_ms = to_ms(now_ns - std::max(prefilled, admitted));
  return out;
}

}  // namespace heed
