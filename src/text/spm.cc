// spm.cc -- SentencePiece BPE. Text is merged between spaces where no token of the vocabulary can reach across, which
// gives the same tokens and keeps the work in the cache.
#include "text/spm.h"

#include <algorithm>
#include <bit>
#include <string>
#include <utility>
#include <vector>

#include "text/byte_tokens.h"
#include "text/merge.h"
#include "text/scores.h"
#include "text/tokenizer_base.h"
#include "text/utf8.h"
#include "text/word_cuts.h"

namespace heed {
namespace {

/// Longer results are not merged to: it bounds the time of hostile vocabularies, real ones stay below 200.
constexpr std::size_t kLongestPieceBytes = 1024;

/// Higher scores get lower ranks, equal ones equal ranks: the bits of a float order like integers once the negative
/// ones are reversed.
std::uint32_t rank_of(float score) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(score + 0.0F);  // -0 becomes +0
  const std::uint32_t ascending = (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
  return ~ascending;
}

class SpmTokenizer final : public TokenizerBase {
 public:
  Expected<void> read_spm(const Metadata& metadata) {
    HEED_TRY(read(metadata, {.adds_bos = true}));
    HEED_ASSIGN(adds_space_, metadata.flag("tokenizer.ggml.add_space_prefix", true));
    HEED_ASSIGN(const std::vector<float> scores, read_scores(metadata, vocabulary_));
    ranks_.reserve(scores.size());
    for (const float score : scores) ranks_.push_back(rank_of(score));
    for (std::int32_t token = 0; token < vocabulary_.size(); ++token) {
      if (vocabulary_.kind(token) == TokenKind::byte) HEED_TRY(note_byte(token));
      if (is_piece(token)) cuts_.note(vocabulary_.spelled(token));
    }
    return {};
  }

 protected:
  void append_normalized(std::string_view text, std::string& out) const override {
    for (const char c : text) {
      if (c == ' ') {
        out += kSpaceMark;
      } else {
        out += c;
      }
    }
  }

  void encode_stretch(std::string_view text, EncodeState& state) const override {
    if (adds_space_) {
      // Only the first word is copied: the space that the model expects before it is not in the text.
      const std::size_t end = first_word_end(text);
      std::string first(kSpaceMark);
      first += text.substr(0, end);
      encode_word(first, state);
      text.remove_prefix(end);
    }
    const auto merge = [&](std::string_view word) { encode_word(word, state); };
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = cuts_.word_end(text, begin, kLongestStretchBytes);
      state.memo.encode(text.substr(begin, end - begin), state.tokens, merge);
      begin = end;
    }
  }

  std::string plain_bytes(std::int32_t token) const override {
    const std::string_view spelled = vocabulary_.spelled(token);
    if (vocabulary_.kind(token) != TokenKind::byte) return with_spaces(spelled);
    return std::string(1, static_cast<char>(static_cast<unsigned char>(byte_spelled(spelled))));
  }

  std::string user_defined_bytes(std::int32_t token) const override { return with_spaces(vocabulary_.spelled(token)); }
  bool leads_with_space() const noexcept override { return adds_space_; }

 private:
  /// Only these come out of merges, as in SentencePiece: control, unknown and byte tokens never do.
  bool is_piece(std::int32_t token) const noexcept {
    const TokenKind kind = vocabulary_.kind(token);
    return token >= 0 && (kind == TokenKind::normal || kind == TokenKind::user_defined);
  }

  std::int32_t find_piece(std::string_view spelled) const noexcept {
    if (spelled.size() > std::min(vocabulary_.longest_bytes(), kLongestPieceBytes)) return -1;
    const std::int32_t token = vocabulary_.find(spelled);
    return is_piece(token) ? token : -1;
  }

  Expected<void> note_byte(std::int32_t token) {
    if (bytes_.note(vocabulary_.spelled(token), token)) return {};
    return fail(Code::malformed, "tokenizer: byte token " + std::to_string(token) + ": expected a spelling like <0x0A>",
                "tokenizer.ggml.tokens");
  }

  /// Where the first word ends, which follows a space that is not in the text.
  std::size_t first_word_end(std::string_view text) const noexcept {
    const bool is_cut = text.starts_with(kSpaceMark) && cuts_.may_cut_spaces();
    return text.empty() || is_cut ? 0 : cuts_.word_end(text, 0, kLongestStretchBytes);
  }

  void encode_word(std::string_view word, EncodeState& state) const {
    std::vector<MergeSymbol>& symbols = state.symbols;
    symbols.clear();
    for (std::size_t at = 0; at < word.size();) {
      // An invalid byte is a character of its own, so that its byte token brings it back.
      const Utf8Char c = utf8_first(word.substr(at));
      const std::uint32_t size = c.valid ? c.size : 1;
      symbols.push_back({static_cast<std::uint32_t>(at), size, find_piece(word.substr(at, size))});
      at += size;
    }
    merge_symbols(symbols, [&](const MergeSymbol& left, const MergeSymbol& right) {
      const std::int32_t token = find_piece(word.substr(left.start, left.size + right.size));
      return token < 0 ? MergeRule{} : MergeRule{ranks_[static_cast<std::size_t>(token)], token};
    });
    for (const MergeSymbol& symbol : symbols) emit(word.substr(symbol.start, symbol.size), symbol.token, state.tokens);
  }

  void emit(std::string_view text, std::int32_t token, std::vector<std::int32_t>& tokens) const {
    if (token >= 0) return tokens.push_back(token);
    if (!bytes_.append(text, tokens) && unknown_ >= 0) tokens.push_back(unknown_);
  }

  std::vector<std::uint32_t> ranks_;  // [vocab_size]
  ByteTokens bytes_;
  WordCuts cuts_;
  bool adds_space_ = true;
};

}  // namespace

Expected<std::unique_ptr<Tokenizer>> make_spm_tokenizer(const Metadata& metadata) {
  auto tokenizer = std::make_unique<SpmTokenizer>();
  HEED_TRY(tokenizer->read_spm(metadata));
  return std::unique_ptr<Tokenizer>(std::move(tokenizer));
}

}  // namespace heed
