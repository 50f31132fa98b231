// json_tokenizer.h -- the tokenizer that a tokenizer.json describes (the tokenizers library): added tokens, normalizer,
// pre-tokenizer, model, post-processor and decoder, each read by its own file of this room.
#pragma once
#include <memory>
#include <string_view>

#include "core/expected.h"
#include "text/tokenizer.h"

namespace heed {

Expected<std::unique_ptr<Tokenizer>> make_json_tokenizer(std::string_view bytes);

}  // namespace heed
