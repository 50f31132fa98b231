// piece_model.cc -- WordPiece, unigram and whole words; byte-pair encoding has a file of its own.
#include "text/piece_model.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "text/byte_tokens.h"
#include "text/unigram_path.h"
#include "text/utf8.h"

namespace heed {
namespace {

class WordPieceModel final : public PieceModel {
 public:
  static Expected<std::unique_ptr<PieceModel>> read(const JsonPart& part, const Vocabulary& vocabulary) {
    auto out = std::make_unique<WordPieceModel>();
    HEED_ASSIGN(out->unknown_, named_token(part, "unk_token", vocabulary));
    HEED_ASSIGN(out->prefix_, part.text("continuing_subword_prefix", "##"));
    HEED_ASSIGN(const std::int64_t longest, part.integer("max_input_chars_per_word", 100, 1 << 16));
    out->longest_word_ = static_cast<std::size_t>(longest);
    std::vector<ByteTrie::Entry> entries;
    for (std::int32_t token = 0; token < vocabulary.size(); ++token)
      if (is_text_token(vocabulary, token)) entries.push_back({vocabulary.spelled(token), token});
    out->trie_ = ByteTrie(entries);
    return std::unique_ptr<PieceModel>(std::move(out));
  }

  void encode(std::string_view piece, EncodeState& state) const override {
    state.memo.encode(piece, state.tokens, [&](std::string_view word) { encode_word(word, state.tokens); });
  }

 private:
  void encode_word(std::string_view word, std::vector<std::int32_t>& tokens) const {
    const std::size_t before = tokens.size();
    if (!is_too_long(word) && append(word, tokens)) return;
    tokens.resize(before);
    if (unknown_ >= 0) tokens.push_back(unknown_);
  }

  bool is_too_long(std::string_view word) const noexcept {
    std::size_t characters = 0;
    for (const char c : word) characters += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1 : 0;
    return characters > longest_word_;
  }

  bool append(std::string_view word, std::vector<std::int32_t>& tokens) const {
    std::string room = prefix_ + std::string(word);
    std::size_t start = prefix_.size();  // of what is left; the prefix is written before it
    while (start < room.size()) {
      const bool begins_word = start == prefix_.size();
      if (!begins_word)
        std::copy(prefix_.begin(), prefix_.end(), room.begin() + static_cast<std::ptrdiff_t>(start - prefix_.size()));
      const std::size_t begin = begins_word ? start : start - prefix_.size();
      std::size_t end = start;
      std::int32_t token = -1;
      trie_.each_prefix(std::string_view(room).substr(begin), [&](std::size_t bytes, std::int32_t longest) {
        if (begin + bytes <= start) return;
        end = begin + bytes;
        token = longest;
      });
      if (token < 0) return false;
      tokens.push_back(token);
      start = end;
    }
    return true;
  }

  ByteTrie trie_;
  std::string prefix_;
  std::size_t longest_word_ = 100;  // characters
  std::int32_t unknown_ = -1;
};

class UnigramModel final : public PieceModel {
 public:
  static Expected<std::unique_ptr<PieceModel>> read(const TokenizerJson& file, const JsonPart& part,
                                                    const Vocabulary& vocabulary) {
    auto out = std::make_unique<UnigramModel>();
    const auto last = static_cast<std::int64_t>(file.numbers.size()) - 1;
    HEED_ASSIGN(const std::int64_t unknown, part.integer("unk_id", -1, last));
    out->unknown_ = static_cast<std::int32_t>(unknown);
    HEED_ASSIGN(out->has_bytes_, part.flag("byte_fallback", false));
    double lowest = std::numeric_limits<double>::max();
    std::vector<ByteTrie::Entry> entries;
    for (std::size_t i = 0; i < file.numbers.size(); ++i) {
      const auto token = static_cast<std::int32_t>(i);
      lowest = std::min(lowest, file.numbers[i]);
      out->bytes_.note(file.tokens[i], token);
      if (is_text_token(vocabulary, token)) entries.push_back({file.tokens[i], token});
    }
    out->scores_ = file.numbers;
    out->unknown_score_ = lowest - kUnknownPenalty;
    out->trie_ = ByteTrie(entries);
    return std::unique_ptr<PieceModel>(std::move(out));
  }

  void encode(std::string_view piece, EncodeState& state) const override {
    state.memo.encode(piece, state.tokens, [&](std::string_view word) { encode_word(word, state); });
  }

 private:
  void encode_word(std::string_view piece, EncodeState& state) const {
    std::vector<UnigramPiece>& pieces = state.path_pieces;
    std::vector<std::int32_t>& tokens = state.tokens;
    const auto score_of = [this](std::int32_t token) { return scores_[static_cast<std::size_t>(token)]; };
    state.path.find(piece, trie_, score_of, unknown_score_, pieces);
    for (std::size_t i = 0; i < pieces.size();) {
      const std::size_t first = i;
      if (!is_unknown(pieces[i].token)) {
        tokens.push_back(pieces[i++].token);
        continue;
      }
      while (i < pieces.size() && is_unknown(pieces[i].token)) ++i;  // neighbours become one
      append_unknown(piece.substr(pieces[first].begin, pieces[i - 1].end - pieces[first].begin), tokens);
    }
  }

  bool is_unknown(std::int32_t token) const noexcept { return token < 0 || token == unknown_; }

  void append_unknown(std::string_view text, std::vector<std::int32_t>& tokens) const {
    std::int32_t whole = -1;  // characters of no token may be one together
    trie_.each_prefix(text, [&](std::size_t bytes, std::int32_t token) {
      if (bytes == text.size()) whole = token;
    });
    if (whole >= 0) return tokens.push_back(whole);
    if (has_bytes_ && bytes_.append(text, tokens)) return;
    if (unknown_ >= 0) tokens.push_back(unknown_);
  }

  ByteTrie trie_;
  std::vector<double> scores_;  // [vocabulary of the model]
  ByteTokens bytes_;
  double unknown_score_ = 0;
  std::int32_t unknown_ = -1;
  bool has_bytes_ = false;
};

class WordModel final : public PieceModel {
 public:
  static Expected<std::unique_ptr<PieceModel>> read(const JsonPart& part, const Vocabulary& vocabulary) {
    auto out = std::make_unique<WordModel>(vocabulary);
    HEED_ASSIGN(out->unknown_, named_token(part, "unk_token", vocabulary));
    return std::unique_ptr<PieceModel>(std::move(out));
  }
  explicit WordModel(const Vocabulary& vocabulary) : vocabulary_(vocabulary) {}

  void encode(std::string_view piece, EncodeState& state) const override {
    const std::int32_t found = find_text_token(vocabulary_, piece), token = found >= 0 ? found : unknown_;
    if (token >= 0) state.tokens.push_back(token);
  }

 private:
  const Vocabulary& vocabulary_;
  std::int32_t unknown_ = -1;
};

}  // namespace

Expected<std::int32_t> named_token(const JsonPart& part, const char* key, const Vocabulary& vocabulary) {
  if (part.find(key) == nullptr) return -1;
  HEED_ASSIGN(const std::string spelled, part.text(key, {}));
  const std::int32_t token = vocabulary.find(spelled);
  if (token < 0)
    return part.malformed(std::string(key) + ": expected a token of the vocabulary, got '" + spelled + "'");
  return token;
}

Expected<std::string> piece_model_type(const TokenizerJson& file, const JsonPart& part) {
  const char* guessed = file.has_scores                                    ? "Unigram"
                        : part.find("max_input_chars_per_word") != nullptr ? "WordPiece"
                        : !file.merges.empty()                             ? "BPE"
                                                                           : "WordLevel";
  HEED_ASSIGN(std::string type, part.text("type", guessed));
  if (type != "BPE" && type != "WordPiece" && type != "Unigram" && type != "WordLevel")
    return part.unsupported("expected BPE, WordPiece, Unigram or WordLevel, got " + type);
  if ((type == "Unigram") != file.has_scores)
    return part.malformed("vocab: expected " + std::string(file.has_scores ? "an object" : "an array") + " for " +
                          type);
  return type;
}

Expected<std::unique_ptr<PieceModel>> read_piece_model(const TokenizerJson& file, const JsonPart& part,
                                                       const Vocabulary& vocabulary) {
  HEED_ASSIGN(const std::string type, piece_model_type(file, part));
  if (type == "BPE") return read_bpe_model(file, part, vocabulary);
  if (type == "WordPiece") return WordPieceModel::read(part, vocabulary);
  if (type == "Unigram") return UnigramModel::read(file, part, vocabulary);
  return WordModel::read(part, vocabulary);
}

}  // namespace heed
