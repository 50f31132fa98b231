// sequence.h -- one request on its way: tokens, state in the model, sampler, text, times.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "decode/speculate.h"
#include "engine/answer_text.h"
#include "engine/engine.h"

namespace heed {

/// A sequence is what it still has to feed: tokens beyond the state's length. One token left after the prompt is
/// decode, more are prefill, so a preempted sequence needs no mode of its own.
class Sequence {
 public:
  /// The request was checked. Ids ascend in order of arrival.
  Sequence(GenerationRequest request, std::shared_ptr<GenerationSink> sink, StopMatcher matcher,
           const LanguageModel& model, std::int64_t now_ns);

  RequestId id() const noexcept { return id_; }
  void set_id(RequestId id) noexcept { id_ = id; }
  const GenerationRequest& request() const noexcept { return request_; }
  GenerationSink& sink() const noexcept { return *sink_; }
  const std::vector<std::int32_t>& tokens() const noexcept { return tokens_; }
  std::int32_t prompt_length() const noexcept { return prompt_length_; }
  std::int32_t total() const noexcept { return static_cast<std::int32_t>(tokens_.size()); }
  std::int32_t fed() const noexcept { return state ? state->length() : 0; }
  std::int32_t left() const noexcept { return total() - fed(); }
  /// Tokens, prompt included, at which the sequence ends.
  std::int32_t limit() const noexcept { return limit_; }
  bool is_decoding() const noexcept { return left() == 1 && total() > prompt_length_; }
  bool is_expired(std::int64_t now_ns) const noexcept { return deadline_ns_ > 0 && now_ns >= deadline_ns_; }

  /// Whose states this one may continue: its tenant's, with the same attention.
  const std::string& state_owner() const noexcept { return state_owner_; }

  /// Does the next chunk need the logits of all its positions?
  bool scores_prompt() const noexcept;
  /// Logits [count, vocab] of positions begin .. begin + count.
  void score_prompt(std::int32_t begin, std::int32_t count, std::span<const float> logits, std::int32_t vocab);
  /// After a prefill chunk: tells the sink how far the prompt is.
  void report_prefill(std::int64_t now_ns);
  /// Samples, extends the answer, tells the sink; sets `finished` when this was the last token. logits [vocab]
  void accept(std::span<float> logits, const Tokenizer& tokenizer);
  /// Guesses at what follows the last token, at most `most` and never beyond the limit: their odds. While decoding.
  std::span<const float> draft(std::int32_t most) noexcept;
  /// The first `tokens` unfed tokens, or the last token and the first `drafts` guesses of draft().
  std::span<const std::int32_t> feed(std::int32_t tokens, std::int32_t drafts) noexcept;
  /// Accepts tokens while the guesses were right, and one more; takes the others back out of the state. `logits`
  /// [1 + drafts, vocab] of what feed() gave.
  void accept_draft(std::int32_t drafts, std::span<float> logits, const Tokenizer& tokenizer);
  std::int32_t drafted() const noexcept { return drafted_; }
  std::int32_t accepted() const noexcept { return accepted_; }

  /// Sends text that is still held back (an answer cut off by a deadline).
  void flush();

  void mark_admitted(std::int64_t now_ns, std::int32_t cached) noexcept;
  Usage usage(std::int64_t now_ns) const noexcept;

  std::unique_ptr<ModelState> state;  // none while waiting
  std::optional<FinishReason> finished;

 private:
  void send(const Delta& delta);
  void read_for_drafts();

  RequestId id_ = 0;
  std::string state_owner_;
  GenerationRequest request_;  // its prompt moved to tokens_
  std::shared_ptr<GenerationSink> sink_;
  std::vector<std::int32_t> tokens_;  // prompt, then output
  std::int32_t prompt_length_, limit_;
  Sampler sampler_;
  AnswerText text_;
  std::vector<SampledToken> prompt_scores_;  // [scored prompt tokens]
  std::unique_ptr<Drafter> drafter_;         // from the prompt's first chunk on; none: nothing is guessed
  Drafter::Draft draft_;
  std::array<std::int32_t, 1 + Drafter::kMostDrafted> feed_{};
  std::int32_t drafter_read_ = 0;  // tokens of the prompt that the drafter knows
  std::int32_t drafted_ = 0, accepted_ = 0, prediction_drafted_ = 0, prediction_accepted_ = 0;
  std::int32_t cached_ = 0, prefill_reported_ = -1;
  std::int64_t submitted_ns_, deadline_ns_ = 0, admitted_ns_ = -1, prefilled_ns_ = -1;
};

}  // namespace heed
