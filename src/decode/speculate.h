// speculate.h -- guesses the next tokens of an answer without a draft model: what followed the last time the text was
// the same. Edits, quotations and loops repeat the prompt or the answer itself; so do contexts that the client
// supplies.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "decode/suffix_automaton.h"

namespace heed {

/// One per answer. Reads the supplied context, the prompt and the answer as they come, predicts the token after the
/// longest suffix that occurred before, and keeps score of its predictions by the length of that suffix, used or not.
/// So the odds of a draft are known before anything was spent on drafting.
class Drafter {
 public:
  static constexpr std::int32_t kMostDrafted = 15;         // of one step
  static constexpr std::int32_t kMostTokens = 1 << 16;     // of context, prompt and answer; about 8 MiB when full
  static constexpr std::int32_t kSharedContext = 1 << 14;  // of these, for the supplied context

  /// Reserves everything. Of a context and a prompt that are too long, the beginning and the end are used.
  Drafter(std::span<const std::int32_t> context, std::int32_t prompt_tokens, std::int32_t answer_tokens);

  /// The next tokens of the prompt.
  void read(std::span<const std::int32_t> tokens) noexcept;
  /// The next token of the answer. What draft() returned stays valid.
  void write(std::int32_t token) noexcept;

  struct Draft {
    std::span<const std::int32_t> tokens;
    std::span<const float> odds;    // [tokens.size()] that this guess and all before it are right
    std::int32_t from_context = 0;  // so many of the first tokens come from the supplied context
  };
  /// At most `most` guesses. Valid until the next draft().
  Draft draft(std::int32_t most) noexcept;

 private:
  struct Score {
    float hits = 0, tries = 0;  // recent ones weigh more
  };
  static std::size_t evidence(std::int32_t length) noexcept;
  float chance(std::int32_t length) const noexcept;
  void append(std::int32_t token) noexcept;

  std::vector<std::int32_t> text_;  // context, mark, prompt, answer
  SuffixAutomaton automaton_;
  std::int32_t context_tokens_ = 0;
  std::int32_t skipped_ = 0;  // tokens of the prompt still to be passed over
  std::int32_t next_ = -1;    // text_[next_] is the prediction; -1: none
  std::int32_t length_ = 0;   // of the suffix that speaks for it
  std::array<Score, 9> scores_{};
  std::array<std::int32_t, kMostDrafted> tokens_{};
  std::array<float, kMostDrafted> odds_{};
};

}  // namespace heed
