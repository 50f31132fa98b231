// text_reader.h -- what a model needs to read whole texts, many in one pass: scratch keys and values of one layer.
#pragma once
#include <memory>
#include <mutex>
#include <vector>

#include "engine/language_model.h"
#include "model/forward.h"

namespace heed {

class TextReader {
 public:
  static constexpr std::int32_t kMostTexts = 128;  // of one pass

  /// Room for `rows` tokens in all. The spec pools.
  static Expected<std::unique_ptr<TextReader>> make(const ModelSpec& spec, DType dtype, std::int32_t rows);

  /// At most kMostTexts items, their tokens at most `rows`.
  Expected<void> read(const ModelSpec& spec, const ModelWeights& weights, std::span<const TextItem> items, Exec& exec);

 private:
  explicit TextReader(PagePool pool) : pool_(std::move(pool)) {}

  PagePool pool_;
  std::vector<KvCache> caches_;     // empty between passes
  std::vector<ForwardItem> items_;  // of a pass
};

}  // namespace heed
