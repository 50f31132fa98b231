// unigram.cc -- SentencePiece's normalizer (replacements, spaces), then the likeliest cut. Scores add up from the
// beginning of the text in floats, as there: a word by itself could be cut another way.
#include "text/unigram.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "text/byte_tokens.h"
#include "text/charsmap.h"
#include "text/scores.h"
#include "text/tokenizer_base.h"
#include "text/unigram_path.h"
#include "text/utf8.h"

namespace heed {
namespace {

constexpr const char* kCharsmapKey = "tokenizer.ggml.precompiled_charsmap";

Expected<Charsmap> read_charsmap(const Metadata& metadata) {
  if (metadata.find(kCharsmapKey) == nullptr) return Charsmap();
  const auto* numbers = metadata.integers(kCharsmapKey);
  std::string bytes;
  bool are_bytes = numbers != nullptr;
  for (std::size_t i = 0; are_bytes && i < numbers->size(); ++i) {
    const std::int64_t number = (*numbers)[i];
    are_bytes = number >= -128 && number <= 255;
    bytes += static_cast<char>(number & 0xFF);
  }
  if (!are_bytes)
    return fail(Code::malformed, "tokenizer: precompiled charsmap: expected an array of bytes", kCharsmapKey);
  auto charsmap = Charsmap::read(bytes);
  if (!charsmap) return fail(charsmap.error().code, charsmap.error().text, kCharsmapKey);
  return charsmap;
}

class UnigramTokenizer final : public TokenizerBase {
 public:
  Expected<void> read_unigram(const Metadata& metadata) {
    HEED_TRY(read(metadata, {.adds_bos = false, .adds_eos = true}));
    HEED_ASSIGN(adds_space_, metadata.flag("tokenizer.ggml.add_space_prefix", true));
    HEED_ASSIGN(removes_spaces_, metadata.flag("tokenizer.ggml.remove_extra_whitespaces", false));
    HEED_ASSIGN(charsmap_, read_charsmap(metadata));
    HEED_ASSIGN(scores_, read_scores(metadata, vocabulary_));
    float lowest = std::numeric_limits<float>::max();
    std::vector<ByteTrie::Entry> entries;
    for (std::int32_t token = 0; token < vocabulary_.size(); ++token) {
      const TokenKind kind = vocabulary_.kind(token);
      if (kind == TokenKind::byte) has_bytes_ = bytes_.note(vocabulary_.spelled(token), token) || has_bytes_;
      if (kind == TokenKind::unknown && unknown_ < 0) unknown_ = token;
      if (kind != TokenKind::normal) continue;
      lowest = std::min(lowest, scores_[static_cast<std::size_t>(token)]);
      entries.push_back({vocabulary_.spelled(token), token});
    }
    unknown_score_ = lowest - static_cast<float>(kUnknownPenalty);
    trie_ = ByteTrie(entries);
    return {};
  }

 protected:
  void encode_stretch(std::string_view text, EncodeState& state) const override {
    UnigramPath<float> path;
    std::vector<UnigramPiece> pieces;
    for (std::size_t at = 0; at < text.size(); at += kLongestStretchBytes) {
      const std::string normal = normalized(text.substr(at, kLongestStretchBytes));
      const auto score_of = [&](std::int32_t token) { return scores_[static_cast<std::size_t>(token)]; };
      path.find(normal, trie_, score_of, unknown_score_, pieces);
      emit(normal, pieces, state.tokens);
    }
  }

  std::string plain_bytes(std::int32_t token) const override {
    const std::string_view spelled = vocabulary_.spelled(token);
    if (vocabulary_.kind(token) != TokenKind::byte) return with_spaces(spelled);
    const int byte = byte_spelled(spelled);
    return byte < 0 ? std::string() : std::string(1, static_cast<char>(static_cast<unsigned char>(byte)));
  }
  bool leads_with_space() const noexcept override { return adds_space_; }

 private:
  struct Replaced {
    std::size_t size = 0;  // bytes of the text
    std::string_view by;
  };

  Replaced replaced(std::string_view text) const noexcept {
    const Charsmap::Match match = charsmap_.longest(text);
    if (match.size > 0) return {match.size, match.text};
    const Utf8Char c = utf8_first(text);
    if (!c.valid) return {1, kReplacementUtf8};  // for each byte, as SentencePiece does
    return {c.size, text.substr(0, c.size)};
  }

  std::string normalized(std::string_view text) const {
    std::string out;
    out.reserve(text.size() + text.size() / 2 + kSpaceMark.size());
    if (adds_space_ && !removes_spaces_ && !text.empty()) out = kSpaceMark;
    bool after_space = removes_spaces_;  // where further spaces are left out
    while (!text.empty()) {
      Replaced now = replaced(text);
      text.remove_prefix(now.size);
      while (after_space && now.by.starts_with(' ')) now.by.remove_prefix(1);
      if (now.by.empty()) continue;
      if (adds_space_ && out.empty()) out = kSpaceMark;
      for (const char c : now.by) {
        if (c == ' ') {
          out += kSpaceMark;
        } else {
          out += c;
        }
      }
      after_space = removes_spaces_ && now.by.ends_with(' ');
    }
    while (removes_spaces_ && out.ends_with(kSpaceMark)) out.resize(out.size() - kSpaceMark.size());
    return out;
  }

  void emit(std::string_view text, const std::vector<UnigramPiece>& pieces, std::vector<std::int32_t>& tokens) const {
    bool after_unknown = false;
    for (const UnigramPiece& piece : pieces) {
      const bool is_unknown = piece.token < 0;
      if (!is_unknown) {
        tokens.push_back(piece.token);
      } else if (has_bytes_ && bytes_.append(text.substr(piece.begin, piece.end - piece.begin), tokens)) {
      } else if (unknown_ >= 0 && !after_unknown) {
        tokens.push_back(unknown_);
      }
      after_unknown = is_unknown;
    }
  }

  Charsmap charsmap_;
  ByteTrie trie_;              // normal tokens
  std::vector<float> scores_;  // [vocab_size]
  ByteTokens bytes_;
  float unknown_score_ = 0;
  bool has_bytes_ = false, adds_space_ = true, removes_spaces_ = false;
};

}  // namespace

Expected<std::unique_ptr<Tokenizer>> make_unigram_tokenizer(const Metadata& metadata) {
  auto tokenizer = std::make_unique<UnigramTokenizer>();
  HEED_TRY(tokenizer->read_unigram(metadata));
  return std::unique_ptr<Tokenizer>(std::move(tokenizer));
}

}  // namespace heed
