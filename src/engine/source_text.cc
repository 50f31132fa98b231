// source_text.cc -- one pass of the encoder over all tokens.
#include "engine/source_text.h"

namespace heed {

void SourceText::truncate(std::int32_t tokens) noexcept {
  if (tokens < length()) tokens_.resize(static_cast<std::size_t>(tokens));
  kept_.truncate(0);
}

Expected<void> SourceText::encode(const ModelSpec& spec, const ModelWeights& weights, std::int32_t end, Exec& exec) {
  std::vector<std::int32_t> text = tokens_;
  if (end >= 0 && (text.empty() || text.back() != end)) text.push_back(end);
  const auto n = static_cast<std::int32_t>(text.size());
  HEED_TRY(kept_.reserve(n));
  HEED_TRY(scratch_.reserve(n));
  auto done = heed::encode(spec, weights, text, scratch_, kept_, exec);
  scratch_.truncate(0);
  return done;
}

}  // namespace heed
