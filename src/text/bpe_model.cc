// bpe_model.cc -- byte-pair encoding as tokenizer.json describes it: characters to tokens, then merges by rank.
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "text/byte_tokens.h"
#include "text/merge_table.h"
#include "text/piece_model.h"
#include "text/utf8.h"
#include "text/word_cuts.h"

namespace heed {
namespace {

class BpeModel final : public PieceModel {
 public:
  explicit BpeModel(const Vocabulary& vocabulary) : vocabulary_(vocabulary) {}

  Expected<void> read(const TokenizerJson& file, const JsonPart& part) {
    HEED_ASSIGN(unknown_, named_token(part, "unk_token", vocabulary_));
    HEED_ASSIGN(fuses_unknown_, part.flag("fuse_unk", false));
    HEED_ASSIGN(has_bytes_, part.flag("byte_fallback", false));
    HEED_ASSIGN(whole_pieces_first_, part.flag("ignore_merges", false));
    HEED_ASSIGN(prefix_, part.text("continuing_subword_prefix", {}));
    HEED_ASSIGN(suffix_, part.text("end_of_word_suffix", {}));
    if (const auto* dropout = part.find("dropout"); dropout != nullptr && *dropout != 0)
      return part.unsupported("dropout: expected none: ids would be left to chance");
    for (std::int32_t token = 0; token < vocabulary_.size(); ++token) {
      bytes_.note(vocabulary_.spelled(token), token);
      cuts_.note(vocabulary_.spelled(token));
    }
    may_cut_ = prefix_.empty() && suffix_.empty() && !whole_pieces_first_ && find(kSpaceMark) >= 0;
    for (std::uint32_t code = 0; code < direct_.size(); ++code) {
      std::string spelled;
      utf8_append(code, spelled);
      direct_[code] = find(spelled);
    }
    return read_merges(file.merges, part);
  }

  void encode(std::string_view piece, EncodeState& state) const override {
    const auto merge = [&](std::string_view word) { encode_word(word, state); };
    if (!may_cut_) return state.memo.encode(piece, state.tokens, merge);
    for (std::size_t begin = 0; begin < piece.size();) {
      const std::size_t end = cuts_.word_end(piece, begin, piece.size());
      state.memo.encode(piece.substr(begin, end - begin), state.tokens, merge);
      begin = end;
    }
  }

 private:
  std::int32_t find(std::string_view spelled) const noexcept { return find_text_token(vocabulary_, spelled); }

  Expected<void> read_merges(const TextList& merges, const JsonPart& part) {
    merges_.reserve(merges.size() / 2);
    std::string joined;
    for (std::size_t i = 0; i + 1 < merges.size(); i += 2) {
      const std::string_view left = merges[i], right = merges[i + 1];
      joined = left;
      joined += right.starts_with(prefix_) ? right.substr(prefix_.size()) : right;
      const std::int32_t a = vocabulary_.find(left), b = vocabulary_.find(right), result = vocabulary_.find(joined);
      if (a < 0 || b < 0 || result < 0)
        return part.malformed("merges: merge " + std::to_string(i / 2) + ": expected tokens of the vocabulary, got '" +
                              std::string(left) + "' and '" + std::string(right) + "'");
      if (vocabulary_.kind(result) == TokenKind::control) continue;  // text never becomes one
      merges_.insert(a, b, {static_cast<std::uint32_t>(i / 2), result});
    }
    return {};
  }

  std::int32_t token_of(std::string_view character, std::uint32_t code, bool is_first, bool is_last) const {
    const bool is_plain = (is_first || prefix_.empty()) && (!is_last || suffix_.empty());
    if (is_plain) return code < direct_.size() ? direct_[code] : find(character);
    std::string spelled = is_first ? std::string() : prefix_;
    spelled += character;
    if (is_last) spelled += suffix_;
    return find(spelled);
  }

  /// Bytes of an unknown character as tokens, if there are tokens for all: with its prefix and suffix, as the library
  /// has it.
  bool add_bytes(std::string_view character, std::uint32_t at, bool is_first, bool is_last, EncodeState& state) const {
    std::vector<std::int32_t> tokens;
    const std::string spelled = (is_first ? "" : prefix_) + std::string(character) + (is_last ? suffix_ : "");
    if (!has_bytes_ || !bytes_.append(spelled, tokens)) return false;
    for (const std::int32_t token : tokens) state.symbols.push_back({at, 1, token});
    return true;
  }

  void encode_word(std::string_view word, EncodeState& state) const {
    if (whole_pieces_first_) {
      if (const std::int32_t whole = find(word); whole >= 0) return state.tokens.push_back(whole);
    }
    std::vector<MergeSymbol>& symbols = state.symbols;
    symbols.clear();
    bool owes_unknown = false;  // it comes before the next character that is known
    for (std::uint32_t at = 0; at < word.size();) {
      const Utf8Char c = utf8_first(word.substr(at));
      const bool is_first = at == 0, is_last = at + c.size == word.size();
      const std::string_view character = word.substr(at, c.size);
      const std::int32_t token = token_of(character, c.code_point, is_first, is_last);
      if (token >= 0) {
        if (std::exchange(owes_unknown, false)) symbols.push_back({at, 1, unknown_});
        symbols.push_back({at, c.size, token});
      } else if (!add_bytes(character, at, is_first, is_last, state) && unknown_ >= 0) {
        if (owes_unknown && !fuses_unknown_) symbols.push_back({at, 1, unknown_});
        owes_unknown = true;
      }
      at += c.size;
    }
    if (owes_unknown) symbols.push_back({0, 1, unknown_});
    merge_symbols(symbols, [this](const MergeSymbol& left, const MergeSymbol& right) {
      return merges_.find(left.token, right.token);
    });
    for (const MergeSymbol& symbol : symbols) state.tokens.push_back(symbol.token);
  }

  const Vocabulary& vocabulary_;
  std::array<std::int32_t, 0x180> direct_{};  // of characters, the stand-ins of bytes among them
  MergeTable merges_;
  ByteTokens bytes_;
  WordCuts cuts_;
  std::string prefix_, suffix_;
  std::int32_t unknown_ = -1;
  bool fuses_unknown_ = false, has_bytes_ = false, whole_pieces_first_ = false, may_cut_ = false;
};

}  // namespace

Expected<std::unique_ptr<PieceModel>> read_bpe_model(const TokenizerJson& file, const JsonPart& part,
                                                     const Vocabulary& vocabulary) {
  auto out = std::make_unique<BpeModel>(vocabulary);
  HEED_TRY(out->read(file, part));
  return std::unique_ptr<PieceModel>(std::move(out));
}

}  // namespace heed
