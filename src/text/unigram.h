// unigram.h -- SentencePiece's unigram model (T5, XLM-R): the likeliest cut by the tokens' scores.
#pragma once
#include <memory>

#include "core/expected.h"
#include "formats/metadata.h"
#include "text/tokenizer.h"

namespace heed {

Expected<std::unique_ptr<Tokenizer>> make_unigram_tokenizer(const Metadata& metadata);

}  // namespace heed
