// speculate.cc -- predictions, their scores, drafts.
#include "decode/speculate.h"

#include <algorithm>
#include <bit>

namespace heed {
namespace {

constexpr std::int32_t kMark = -1;          // no token: what stands behind it does not continue what stands before
constexpr std::int32_t kStartEvidence = 8;  // an answer is believed to begin as the supplied context does

// What code and chat showed before anything is known about this answer, by evidence (1, 2, 3-4, 5-8, ... tokens).
constexpr std::array<float, 9> kPrior = {0.0f, 0.2f, 0.3f, 0.45f, 0.6f, 0.8f, 0.9f, 0.95f, 0.97f};
constexpr float kPriorTries = 4;
constexpr float kMemory = 0.95f;  // a try counts half after 14 more

std::int32_t context_part(std::size_t tokens) {
  return static_cast<std::int32_t>(std::min<std::size_t>(tokens, Drafter::kSharedContext));
}

std::int32_t text_tokens(std::size_t context, std::int32_t prompt, std::int32_t answer) {
  const std::int64_t all = std::int64_t{context_part(context)} + 1 + prompt + std::max(answer, 0);
  return static_cast<std::int32_t>(std::min<std::int64_t>(all, Drafter::kMostTokens));
}

}  // namespace

Drafter::Drafter(std::span<const std::int32_t> context, std::int32_t prompt_tokens, std::int32_t answer_tokens)
    : automaton_(text_tokens(context.size(), prompt_tokens, answer_tokens)),
      context_tokens_(context_part(context.size())) {
  const std::int32_t capacity = automaton_.capacity();
  text_.reserve(static_cast<std::size_t>(capacity));
  for (const std::int32_t token : context.first(static_cast<std::size_t>(context_tokens_))) append(token);
  if (context_tokens_ > 0) append(kMark);
  const std::int32_t room = std::max(capacity - automaton_.size() - std::min(answer_tokens, capacity / 4), 0);
  skipped_ = std::max(prompt_tokens - room, 0);
  if (context_tokens_ > 0) next_ = 0, length_ = kStartEvidence;
}

void Drafter::append(std::int32_t token) noexcept {
  if (automaton_.size() == automaton_.capacity()) return automaton_.push(token);  // full: no matches any more
  text_.push_back(token);
  automaton_.push(token);
}

void Drafter::read(std::span<const std::int32_t> tokens) noexcept {
  const std::size_t passed = std::min(tokens.size(), static_cast<std::size_t>(skipped_));
  skipped_ -= static_cast<std::int32_t>(passed);
  for (const std::int32_t token : tokens.subspan(passed)) append(token);
}

std::size_t Drafter::evidence(std::int32_t length) noexcept {
  const auto doublings = static_cast<std::size_t>(std::bit_width(static_cast<std::uint32_t>(std::max(length, 1) - 1)));
  return length <= 0 ? 0 : std::min(doublings + 1, kPrior.size() - 1);
}

float Drafter::chance(std::int32_t length) const noexcept {
  const std::size_t at = evidence(length);
  return (scores_[at].hits + kPriorTries * kPrior[at]) / (scores_[at].tries + kPriorTries);
}

void Drafter::write(std::int32_t token) noexcept {
  bool is_hit = false;
  if (next_ >= 0) {
    is_hit = text_[static_cast<std::size_t>(next_)] == token;
    Score& score = scores_[evidence(length_)];
    score.hits = score.hits * kMemory + (is_hit ? 1.0f : 0.0f);
    score.tries = score.tries * kMemory + 1.0f;
  }
  append(token);
  next_ = is_hit ? next_ + 1 : -1;
  length_ = is_hit ? length_ + 1 : 0;
  const SuffixAutomaton::Match match = automaton_.match();
  if (match.length > length_) next_ = match.next, length_ = match.length;
  if (next_ >= static_cast<std::int32_t>(text_.size()) ||
      (next_ >= 0 && text_[static_cast<std::size_t>(next_)] == kMark)) {
    next_ = -1, length_ = 0;
  }
}

Drafter::Draft Drafter::draft(std::int32_t most) noexcept {
  const auto size = static_cast<std::int32_t>(text_.size());
  std::int32_t count = 0, from_context = 0;
  float odds = 1;
  while (next_ >= 0 && count < std::min(most, kMostDrafted)) {
    const std::int32_t at = next_ + count;
    // Behind the end of the text stand the guesses themselves: a loop goes on as a loop.
    const std::int32_t token =
        at < size ? text_[static_cast<std::size_t>(at)] : tokens_[static_cast<std::size_t>(at - size)];
    if (token == kMark) break;
    odds *= chance(length_ + count);
    odds_[static_cast<std::size_t>(count)] = odds;
    tokens_[static_cast<std::size_t>(count++)] = token;
    if (at < context_tokens_) from_context = count;
  }
  const auto guesses = static_cast<std::size_t>(count);
  return {std::span(tokens_).first(guesses), std::span(odds_).first(guesses), from_context};
}

}  // namespace heed
