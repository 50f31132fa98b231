// scores.h -- the scores of SentencePiece's tokens (tokenizer.ggml.scores).
#pragma once
#include <cmath>
#include <string>
#include <vector>

#include "core/expected.h"
#include "formats/metadata.h"
#include "text/vocabulary.h"

namespace heed {

/// [vocab_size], none of them NaN. Errors name the key.
inline Expected<std::vector<float>> read_scores(const Metadata& metadata, const Vocabulary& vocabulary) {
  constexpr const char* kScoresKey = "tokenizer.ggml.scores";
  const auto* scores = metadata.reals(kScoresKey);
  const auto count = static_cast<std::size_t>(vocabulary.size());
  if (scores == nullptr || scores->size() != count) {
    return fail(Code::malformed,
                "tokenizer: scores: expected an array of " + std::to_string(count) + " numbers, got " +
                    (scores == nullptr ? std::string("none") : std::to_string(scores->size())),
                kScoresKey);
  }
  std::vector<float> out;
  out.reserve(count);
  for (const double score : *scores) {
    if (std::isnan(score)) {
      return fail(Code::malformed,
                  "tokenizer: score of token " + std::to_string(out.size()) + ": expected a number, got NaN",
                  kScoresKey);
    }
    out.push_back(static_cast<float>(score));
  }
  return out;
}

}  // namespace heed
