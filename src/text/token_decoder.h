// token_decoder.h -- the decoder of tokenizer.json: what a token's spelling says.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/expected.h"
#include "text/json_fields.h"

namespace heed {

class TokenDecoder {
 public:
  /// "decoder" of the file, null for none: tokens with spaces between. Errors name the part: malformed, or unsupported
  /// for a type, or an order of types, that is not known.
  static Expected<TokenDecoder> read(const JsonPart& part);

  /// The bytes of one token, which stands at the beginning of a text or not.
  std::string bytes(std::string_view spelled, bool is_first) const;
  /// How many spaces go from the beginning of a text.
  std::size_t strips_spaces() const noexcept { return strips_; }

 private:
  Expected<void> add(const JsonPart& part);
  Expected<void> replace(const JsonPart& part, std::string from, std::string to);
  Expected<void> add_replace(const JsonPart& part);
  Expected<void> add_strip(const JsonPart& part);
  Expected<void> add_metaspace(const JsonPart& part);
  Expected<void> add_word_piece(const JsonPart& part);

  std::vector<std::pair<std::string, std::string>> replaced_;  // in turn
  std::string inner_prefix_;                                   // WordPiece: of what continues a word
  std::string suffix_;                                         // of what ends a word: a space
  std::size_t strips_ = 0;
  bool has_bytes_ = false, has_stand_ins_ = false, separates_ = false, cleans_up_ = false;
};

}  // namespace heed
