// bpe.h -- byte-level byte-pair encoding (GPT-2 and everything after it): every byte has a printable stand-in.
#pragma once
#include <memory>

#include "core/expected.h"
#include "formats/metadata.h"
#include "text/tokenizer.h"

namespace heed {

Expected<std::unique_ptr<Tokenizer>> make_bpe_tokenizer(const Metadata& metadata);

}  // namespace heed
