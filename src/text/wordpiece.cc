// wordpiece.cc -- greedy from the left; a word that does not come out whole is one unknown token (Schuster and
// Nakajima 2012; Devlin et al. 2018).
#include "text/wordpiece.h"

#include <algorithm>
#include <string>

#include "text/bert_words.h"
#include "text/tokenizer_base.h"
#include "text/utf8.h"

namespace heed {
namespace {

constexpr std::string_view kWordStart = "\xE2\x96\x81";  // U+2581
constexpr std::size_t kLongestWord = 100;                // characters; longer ones are unknown

std::size_t count_characters(std::string_view word) noexcept {
  return static_cast<std::size_t>(
      std::count_if(word.begin(), word.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

class WordPieceTokenizer final : public TokenizerBase {
 public:
  Expected<void> read_wordpiece(const Metadata& metadata) {
    HEED_TRY(read(metadata, {.adds_bos = true, .adds_eos = true}));
    HEED_ASSIGN(const std::int64_t unknown, metadata.integer("tokenizer.ggml.unknown_token_id",
                                                             vocabulary_.find("[UNK]"), -1, vocabulary_.size() - 1));
    unknown_ = static_cast<std::int32_t>(unknown);
    // Files give [UNK] the type of a control token, and words without pieces still become it; but never what begins or
    // ends a text.
    const auto ends = end_tokens();
    const bool has_role = unknown_ == bos_ || std::find(ends.begin(), ends.end(), unknown_) != ends.end();
    if (kind(unknown_) == TokenKind::control && has_role) unknown_ = -1;
    if (kind(unknown_) == TokenKind::control) vocabulary_.set_kind(unknown_, TokenKind::unknown);
    HEED_ASSIGN(options_.lowercase, metadata.flag("tokenizer.ggml.normalizer.lowercase", true));
    HEED_ASSIGN(options_.strip_accents, metadata.flag("tokenizer.ggml.normalizer.strip_accents", options_.lowercase));
    return {};
  }

 protected:
  void encode_stretch(std::string_view text, EncodeState& state) const override {
    const std::string words = bert_words(text, options_);
    std::string room;
    for (std::size_t begin = 0; begin < words.size();) {
      const std::size_t end = std::min(words.find(' ', begin), words.size());
      if (begin < end) encode_word(std::string_view(words).substr(begin, end - begin), room, state.tokens);
      begin = end + 1;
    }
  }

  std::string plain_bytes(std::int32_t token) const override {
    const std::string_view spelled = vocabulary_.spelled(token);
    if (!spelled.starts_with(kWordStart)) return std::string(spelled);
    return " " + std::string(spelled.substr(kWordStart.size()));
  }
  bool leads_with_space() const noexcept override { return true; }

 private:
  std::int32_t find_piece(std::string_view spelled, bool begins_word) const noexcept {
    // The mark at a word's beginning is no piece by itself, and where a text has that character it begins none.
    const bool is_marked = spelled.starts_with(kWordStart), is_mark = spelled == kWordStart;
    if (begins_word ? is_mark : is_marked && !is_mark) return -1;
    const std::int32_t token = vocabulary_.find(spelled);
    return token >= 0 && vocabulary_.kind(token) == TokenKind::normal ? token : -1;
  }

  void encode_word(std::string_view word, std::string& room, std::vector<std::int32_t>& tokens) const {
    const std::size_t before = tokens.size();
    room = kWordStart;
    room += word;
    bool is_whole = count_characters(word) <= kLongestWord;
    for (std::string_view rest = room; is_whole && !rest.empty();) {
      std::size_t size = std::min(rest.size(), vocabulary_.longest_bytes());
      std::int32_t token = -1;
      for (; size > 0 && (token = find_piece(rest.substr(0, size), tokens.size() == before)) < 0;) --size;
      is_whole = token >= 0;
      if (!is_whole) break;
      tokens.push_back(token);
      rest.remove_prefix(size);
    }
    if (is_whole) return;
    tokens.resize(before);
    if (unknown_ >= 0) tokens.push_back(unknown_);
  }

  BertOptions options_;
};

}  // namespace

Expected<std::unique_ptr<Tokenizer>> make_wordpiece_tokenizer(const Metadata& metadata) {
  auto tokenizer = std::make_unique<WordPieceTokenizer>();
  HEED_TRY(tokenizer->read_wordpiece(metadata));
  return std::unique_ptr<Tokenizer>(std::move(tokenizer));
}

}  // namespace heed
