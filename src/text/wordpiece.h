// wordpiece.h -- WordPiece: a word is its longest prefix in the vocabulary, then the longest continuation, and so on.
#pragma once
#include <memory>

#include "core/expected.h"
#include "formats/metadata.h"
#include "text/tokenizer.h"

namespace heed {

/// tokenizer.ggml.model "bert": tokens that begin a word are spelled with a leading U+2581.
Expected<std::unique_ptr<Tokenizer>> make_wordpiece_tokenizer(const Metadata& metadata);

}  // namespace heed
