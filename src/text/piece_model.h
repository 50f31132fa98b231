// piece_model.h -- the model of tokenizer.json: pieces to tokens.
#pragma once
#include <memory>
#include <string_view>

#include "core/expected.h"
#include "formats/tokenizer_json.h"
#include "text/json_fields.h"
#include "text/tokenizer_base.h"
#include "text/vocabulary.h"

namespace heed {

class PieceModel {
 public:
  virtual ~PieceModel() = default;
  /// Appends the tokens of `piece` (valid UTF-8, less than 2^32 bytes) to state.tokens. Never a control token.
  virtual void encode(std::string_view piece, EncodeState& state) const = 0;
};

/// Of the file's "model". `vocabulary` outlives it. Errors name the part: malformed, or unsupported for a type or an
/// option that is not known.
Expected<std::unique_ptr<PieceModel>> read_piece_model(const TokenizerJson& file, const JsonPart& part,
                                                       const Vocabulary& vocabulary);

/// For read_piece_model: the type in "type", or the one that the other fields tell (older files have none).
Expected<std::string> piece_model_type(const TokenizerJson& file, const JsonPart& part);
/// The type "BPE", whose files have merges.
Expected<std::unique_ptr<PieceModel>> read_bpe_model(const TokenizerJson& file, const JsonPart& part,
                                                     const Vocabulary& vocabulary);

/// Whether text may become this token.
inline bool is_text_token(const Vocabulary& vocabulary, std::int32_t token) noexcept {
  const TokenKind kind = vocabulary.kind(token);
  return kind != TokenKind::control && kind != TokenKind::unused;
}

/// The token of that spelling if text may become it, else -1.
inline std::int32_t find_text_token(const Vocabulary& vocabulary, std::string_view spelled) noexcept {
  const std::int32_t token = vocabulary.find(spelled);
  return token >= 0 && is_text_token(vocabulary, token) ? token : -1;
}

/// The token of part.text(key): -1 where the file has none.
Expected<std::int32_t> named_token(const JsonPart& part, const char* key, const Vocabulary& vocabulary);

}  // namespace heed
