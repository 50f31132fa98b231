// added_tokens.h -- "added_tokens" of tokenizer.json: tokens that are found in a text before all else, some in the text
// as it is, some in the text as it is normalized.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"
#include "text/json_fields.h"
#include "text/normalizer.h"
#include "text/special_tokens.h"

namespace heed {

struct AddedToken {
  std::string content;
  std::int32_t id = -1;
  bool is_special = false;    // a control token: found in trusted text only
  bool is_normalized = true;  // found in the normalized text, itself normalized
  bool is_single_word = false, strips_left = false, strips_right = false;
};

/// Errors: malformed.
Expected<std::vector<AddedToken>> read_added_tokens(const JsonPart& file);

class AddedTokens {
 public:
  AddedTokens() = default;
  AddedTokens(std::vector<AddedToken> tokens, const Normalizer& normalizer);

  enum class In : unsigned char {
    raw_text,         // tokens that are not normalized
    normalized_text,  // those that are
    mixed_text,       // special ones that are normalized, as they are spelled: for text that is trusted in part
  };
  /// The tokens in `text` and what lies between them.
  std::vector<TextPart> partition(In where, std::string_view text, std::span<const TextRun> trusted) const;

 private:
  const AddedToken* token_of(std::int32_t id) const noexcept;

  std::vector<AddedToken> tokens_;  // ascending by id
  SpecialTokens sets_[3];           // by In
};

}  // namespace heed
