// text_reader.cc -- lends every text of a pass some pages, and takes them back.
#include "engine/text_reader.h"

namespace heed {

Expected<std::unique_ptr<TextReader>> TextReader::make(const ModelSpec& spec, DType dtype, std::int32_t rows) {
  const std::int32_t pages = rows / kPageTokens + kMostTexts;  // every text begins a page
  HEED_ASSIGN(PagePool pool, PagePool::make(scratch_layers(spec), dtype, pages));
  std::unique_ptr<TextReader> reader(new TextReader(std::move(pool)));
  reader->caches_.reserve(kMostTexts);
  for (std::int32_t i = 0; i < kMostTexts; ++i) reader->caches_.emplace_back(reader->pool_);
  reader->items_.reserve(kMostTexts);
  return reader;
}

Expected<void> TextReader::read(const ModelSpec& spec, const ModelWeights& weights, std::span<const TextItem> items,
                                Exec& exec) {
  if (items.size() > caches_.size())
    return fail(Code::too_long, "read: expected at most " + std::to_string(caches_.size()) +
                                    " texts in one pass, got " + std::to_string(items.size()));
  items_.clear();
  Expected<void> done;
  for (std::size_t i = 0; done && i < items.size(); ++i) {
    done = caches_[i].reserve(static_cast<std::int32_t>(items[i].tokens.size()));
    items_.push_back({.cache = &caches_[i], .tokens = items[i].tokens, .vector = items[i].vector});
  }
  if (done) done = read_texts(spec, weights, items_, exec);
  for (std::size_t i = 0; i < items_.size(); ++i) caches_[i].truncate(0);
  return done;
}

}  // namespace heed
