// source_text.h -- what an encoder-decoder's sequence is about: the text that its encoder reads, whole.
#pragma once
#include <vector>

#include "model/forward.h"

namespace heed {

/// Gathers tokens until an answer is wanted, then encodes them; from there on tokens are the decoder's.
class SourceText {
 public:
  /// Pools of source_layers and scratch_layers; they outlive it.
  SourceText(PagePool& kept, PagePool& scratch) : kept_(kept), scratch_(scratch) {}

  bool is_encoded() const noexcept { return kept_.length() > 0; }
  std::int32_t length() const noexcept { return static_cast<std::int32_t>(tokens_.size()); }
  const KvCache& kept() const noexcept { return kept_; }
  void append(std::span<const std::int32_t> tokens) { tokens_.insert(tokens_.end(), tokens.begin(), tokens.end()); }
  /// Keeps the first `tokens`, to be encoded anew.
  void truncate(std::int32_t tokens) noexcept;
  /// Encodes what was gathered, and `end` behind it, if it is a token and the text does not end with it already.
  Expected<void> encode(const ModelSpec& spec, const ModelWeights& weights, std::int32_t end, Exec& exec);

 private:
  std::vector<std::int32_t> tokens_;
  KvCache kept_, scratch_;
};

}  // namespace heed
