// tokenizer_json.h -- the file of the tokenizers library: its vocabulary and merges in compact lists, all else as a
// small tree. What the parts mean is the text room's to know.
#pragma once
#include <cstddef>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "core/expected.h"
#include "formats/metadata.h"

namespace heed {

struct TokenizerJson {
  TextList tokens;              // model.vocab, in the file's order
  std::vector<double> numbers;  // [tokens]: their ids, or their scores where the vocabulary is an array
  bool has_scores = false;
  TextList merges;       // model.merges: left and right of each, one after the other
  nlohmann::json parts;  // an object: the file without these two
};

/// Errors: malformed (no JSON, a key twice, a vocabulary or merges of another shape) and too_long (over 64 levels,
/// 2^22 values beside vocabulary and merges, or 2^29 bytes), each with the place in the file.
Expected<TokenizerJson> read_tokenizer_json(std::string_view bytes);

}  // namespace heed
