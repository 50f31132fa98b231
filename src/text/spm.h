// spm.h -- SentencePiece BPE: merges by the score of the result, spaces written as U+2581, bytes for unknown
// characters.
#pragma once
#include <memory>

#include "core/expected.h"
#include "formats/metadata.h"
#include "text/tokenizer.h"

namespace heed {

Expected<std::unique_ptr<Tokenizer>> make_spm_tokenizer(const Metadata& metadata);

}  // namespace heed
