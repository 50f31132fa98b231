// tokenizer_base.h -- what both families of tokenizers share: vocabulary, special tokens, the joining of segments.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/merge.h"
#include "text/special_tokens.h"
#include "text/tokenizer.h"
#include "text/unigram_path.h"
#include "text/vocabulary.h"
#include "text/word_memo.h"

namespace heed {

/// What holds where the file is silent.
struct TokenizerDefaults {
  bool adds_bos = false;
  bool adds_eos = false;
};

/// One call of encode: what its stretches share.
struct EncodeState {
  explicit EncodeState(std::size_t text_bytes) : memo(text_bytes) {}

  std::vector<std::int32_t> tokens;  // the result, in order
  WordMemo memo;
  std::vector<std::string_view> pieces;  // room to work in
  std::vector<MergeSymbol> symbols;
  UnigramPath<double> path;
  std::vector<UnigramPiece> path_pieces;
};

class TokenizerBase : public Tokenizer {
 public:
  std::vector<std::int32_t> encode(std::span<const Segment> segments, EncodeOptions options) const override;
  std::string decode(std::span<const std::int32_t> tokens, bool show_control, bool at_start) const override;
  std::string token_bytes(std::int32_t token, bool show_control) const override;
  std::int32_t vocab_size() const noexcept final { return vocabulary_.size(); }
  TokenKind kind(std::int32_t token) const noexcept final { return vocabulary_.kind(token); }
  std::int32_t find(std::string_view spelled) const noexcept final { return vocabulary_.find(spelled); }

 protected:
  /// Positions within one stretch of text are 32 bits wide: longer ones are cut.
  static constexpr std::size_t kLongestStretchBytes = std::size_t{1} << 28;

  /// Reads vocabulary, ids and flags, and looks up what ends an answer and fills in the middle.
  Expected<void> read(const Metadata& metadata, TokenizerDefaults defaults);

  /// Text as the merges see it.
  virtual void append_normalized(std::string_view text, std::string& out) const { out += text; }
  /// One stretch without special tokens; it begins the text or follows a special token. `text` outlives the state.
  virtual void encode_stretch(std::string_view text, EncodeState& state) const = 0;
  /// The bytes of a token of kind normal or byte.
  virtual std::string plain_bytes(std::int32_t token) const = 0;
  virtual std::string user_defined_bytes(std::int32_t token) const { return std::string(vocabulary_.spelled(token)); }
  /// Whether encode_stretch puts a space before the text, which decode takes away again.
  virtual bool leads_with_space() const noexcept { return false; }

  Vocabulary vocabulary_;
  std::int32_t unknown_ = -1;

 private:
  Expected<void> read_ids(const Metadata& metadata);
  Expected<void> read_fim(const Metadata& metadata);
  Expected<void> read_special();
  void note_end(std::int32_t token);

  SpecialTokens special_;
  bool adds_eos_ = false;
};

}  // namespace heed
