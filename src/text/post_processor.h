// post_processor.h -- the post-processor of tokenizer.json: the tokens that a model wants around a text.
#pragma once
#include <cstdint>
#include <vector>

#include "core/expected.h"
#include "text/json_fields.h"
#include "text/vocabulary.h"

namespace heed {

struct TextFrame {
  std::vector<std::int32_t> before, after;
};

/// "post_processor" of the file, null for none. Errors name the part: malformed, or unsupported for a type that is not
/// known.
Expected<TextFrame> read_text_frame(const JsonPart& part, const Vocabulary& vocabulary);

}  // namespace heed
