// spm.cc -- SentencePiece BPE. Text is merged between spaces where no token of the vocabulary can reach across, which
// gives the same tokens and keeps the work in the cache.
#include "text/spm.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "text/merge.h"
#include "text/tokenizer_base.h"
#include "text/utf8.h"

namespace heed {
namespace {

constexpr const char* kScoresKey = "tokenizer.ggml.scores";
constexpr std::string_view kSpace = "\xE2\x96\x81";  // U+2581
/// Longer results are not merged to: it bounds the time of hostile vocabularies, real ones stay below 200.
constexpr std::size_t kLongestPieceBytes = 1024;

/// Higher scores get lower ranks, equal ones equal ranks: the bits of a float order like integers once the negative
/// ones are reversed.
std::uint32_t rank_of(float score) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(score + 0.0F);  // -0 becomes +0
  const std::uint32_t ascending = (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
  return ~ascending;
}

/// "<0x0A>" -> 10, or -1.
int byte_of(std::string_view spelled) noexcept {
  const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; };
  if (spelled.size() != 6 || !spelled.starts_with("<0x") || spelled[5] != '>') return -1;
  const int high = digit(spelled[3]), low = digit(spelled[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

std::string with_spaces(std::string_view spelled) {
  std::string text;
  while (!spelled.empty()) {
    const std::size_t mark = spelled.find(kSpace);
    text += spelled.substr(0, mark);
    if (mark == std::string_view::npos) break;
    text += ' ';
    spelled.remove_prefix(mark + kSpace.size());
  }
  return text;
}

class SpmTokenizer final : public TokenizerBase {
 public:
  Expected<void> read_spm(const Metadata& metadata) {
    HEED_TRY(read(metadata, {.adds_bos = true}));
    HEED_ASSIGN(adds_space_, metadata.flag("tokenizer.ggml.add_space_prefix", true));
    HEED_TRY(read_scores(metadata));
    byte_token_.fill(-1);
    for (std::int32_t token = 0; token < vocabulary_.size(); ++token) {
      if (vocabulary_.kind(token) == TokenKind::byte) HEED_TRY(note_byte(token));
      if (is_piece(token)) note_crossing(vocabulary_.spelled(token));
    }
    return {};
  }

 protected:
  void append_normalized(std::string_view text, std::string& out) const override {
    for (const char c : text) {
      if (c == ' ') {
        out += kSpace;
      } else {
        out += c;
      }
    }
  }

  void encode_stretch(std::string_view text, EncodeState& state) const override {
    if (adds_space_) {
      // Only the first word is copied: the space that the model expects before it is not in the text.
      const std::size_t end = word_end(text, 0, kSpace);
      std::string first(kSpace);
      first += text.substr(0, end);
      encode_word(first, state);
      text.remove_prefix(end);
    }
    const auto merge = [&](std::string_view word) { encode_word(word, state); };
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = word_end(text, begin, {});
      state.memo.encode(text.substr(begin, end - begin), state.tokens, merge);
      begin = end;
    }
  }

  std::string plain_bytes(std::int32_t token) const override {
    const std::string_view spelled = vocabulary_.spelled(token);
    if (vocabulary_.kind(token) != TokenKind::byte) return with_spaces(spelled);
    return std::string(1, static_cast<char>(static_cast<unsigned char>(byte_of(spelled))));
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

  Expected<void> read_scores(const Metadata& metadata) {
    const auto* scores = metadata.reals(kScoresKey);
    const auto count = static_cast<std::size_t>(vocabulary_.size());
    if (scores == nullptr || scores->size() != count) {
      return fail(Code::malformed,
                  "tokenizer: scores: expected an array of " + std::to_string(count) + " numbers, got " +
                      (scores == nullptr ? std::string("none") : std::to_string(scores->size())),
                  kScoresKey);
    }
    ranks_.reserve(count);
    for (const double score : *scores) {
      if (std::isnan(score)) {
        return fail(Code::malformed,
                    "tokenizer: score of token " + std::to_string(ranks_.size()) + ": expected a number, got NaN",
                    kScoresKey);
      }
      ranks_.push_back(rank_of(static_cast<float>(score)));
    }
    return {};
  }

  Expected<void> note_byte(std::int32_t token) {
    const int byte = byte_of(vocabulary_.spelled(token));
    if (byte < 0) {
      return fail(Code::malformed,
                  "tokenizer: byte token " + std::to_string(token) + ": expected a spelling like <0x0A>",
                  "tokenizer.ggml.tokens");
    }
    std::int32_t& slot = byte_token_[static_cast<std::size_t>(byte)];
    if (slot < 0) slot = token;
    return {};
  }

  /// Remembers the bytes that stand right before a space within a token: there a word must not end.
  void note_crossing(std::string_view spelled) {
    for (std::size_t mark = spelled.find(kSpace, 1); mark < spelled.size(); mark = spelled.find(kSpace, mark + 1)) {
      crosses_[static_cast<unsigned char>(spelled[mark - 1])] = true;
    }
  }

  /// Where the word that begins at `begin`, after `before`, may be cut: before a space that no token can join to what
  /// precedes it.
  std::size_t word_end(std::string_view text, std::size_t begin, std::string_view before) const noexcept {
    const std::size_t limit = std::min(text.size(), begin + kLongestStretchBytes);
    if (begin == limit) return limit;
    if (!before.empty() && text.substr(begin).starts_with(kSpace) && !crosses(before.back())) return begin;
    for (std::size_t mark = begin + 1; (mark = text.find(kSpace, mark)) < limit; ++mark) {
      if (!crosses(text[mark - 1])) return mark;
    }
    return limit;
  }

  bool crosses(char byte) const noexcept { return crosses_[static_cast<unsigned char>(byte)]; }

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
    const auto byte_of_char = [&](char c) { return byte_token_[static_cast<unsigned char>(c)]; };
    if (std::all_of(text.begin(), text.end(), [&](char c) { return byte_of_char(c) >= 0; })) {
      for (const char c : text) tokens.push_back(byte_of_char(c));
    } else if (unknown_ >= 0) {
      tokens.push_back(unknown_);
    }
  }

  std::vector<std::uint32_t> ranks_;            // [vocab_size]
  std::array<std::int32_t, 256> byte_token_{};  // -1: none
  std::array<bool, 256> crosses_{};
  bool adds_space_ = true;
};

}  // namespace

Expected<std::unique_ptr<Tokenizer>> make_spm_tokenizer(const Metadata& metadata) {
  auto tokenizer = std::make_unique<SpmTokenizer>();
  HEED_TRY(tokenizer->read_spm(metadata));
  return std::unique_ptr<Tokenizer>(std::move(tokenizer));
}

}  // namespace heed
