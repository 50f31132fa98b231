// bpe.cc -- byte-level BPE: pieces of the pre-tokenizer, bytes to tokens, merges by rank.
#include "text/bpe.h"

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "text/expressions.h"
#include "text/merge_table.h"
#include "text/pretokenize.h"
#include "text/regex_split.h"
#include "text/stand_ins.h"
#include "text/tokenizer_base.h"
#include "text/utf8.h"

namespace heed {
namespace {

constexpr const char* kMergesKey = "tokenizer.ggml.merges";
constexpr std::size_t kMostMerges = std::size_t{1} << 24;

class BpeTokenizer final : public TokenizerBase {
 public:
  Expected<void> read_bpe(const Metadata& metadata) {
    constexpr const char* kPreKey = "tokenizer.ggml.pre";
    HEED_ASSIGN(const std::string name, metadata.text(kPreKey, "default"));
    HEED_ASSIGN(regex_, RegexSplit::compile(expressions_named(name)));
    if (const auto choice = choose_pre_tokenizer(name))
      choice_ = *choice;
    else if (regex_.is_empty())
      return fail(Code::unsupported, "tokenizer: pre-tokenizer: expected one that heed knows, got " + name, kPreKey);
    HEED_TRY(read(metadata, {.adds_bos = choice_.adds_bos}));
    for (std::size_t byte = 0; byte < 256; ++byte) {
      std::string spelled;
      utf8_append(kStandInOf[byte], spelled);
      byte_token_[byte] = find_plain(spelled);
    }
    return read_merges(metadata);
  }

 protected:
  void encode_stretch(std::string_view text, EncodeState& state) const override {
    const auto merge = [&](std::string_view piece) { encode_piece(piece, state); };
    for (std::size_t at = 0; at < text.size(); at += kLongestStretchBytes) {
      state.pieces.clear();
      const std::string_view stretch = text.substr(at, kLongestStretchBytes);
      if (regex_.is_empty())
        pretokenize(choice_.scanner, stretch, state.pieces);
      else
        regex_.cut(stretch, state.pieces);
      for (const std::string_view piece : state.pieces) state.memo.encode(piece, state.tokens, merge);
    }
  }

  std::string plain_bytes(std::int32_t token) const override { return bytes_of_stand_ins(vocabulary_.spelled(token)); }

 private:
  /// Only plain tokens come out of text: no merge and no piece gives a control token.
  std::int32_t find_plain(std::string_view spelled) const noexcept {
    const std::int32_t token = vocabulary_.find(spelled);
    return token >= 0 && vocabulary_.kind(token) == TokenKind::normal ? token : -1;
  }

  Expected<void> read_merges(const Metadata& metadata) {
    const auto* merges = metadata.strings(kMergesKey);
    if (merges == nullptr || merges->size() > kMostMerges) {
      return fail(Code::malformed,
                  "tokenizer: merges: expected an array of at most " + std::to_string(kMostMerges) + " texts, got " +
                      (merges == nullptr ? std::string("none") : std::to_string(merges->size())),
                  kMergesKey);
    }
    merges_.reserve(merges->size());
    for (std::size_t rank = 0; rank < merges->size(); ++rank) {
      const std::string_view merge = (*merges)[rank];
      const std::size_t space = merge.find(' ', 1);  // a side is never empty, so a leading space would be a side
      if (space == std::string_view::npos || space + 1 == merge.size()) {
        return fail(Code::malformed,
                    "tokenizer: merge " + std::to_string(rank) + ": expected two spellings with a space between",
                    kMergesKey);
      }
      add_merge(merge.substr(0, space), merge.substr(space + 1), rank);
    }
    return {};
  }

  /// A merge of or into a token that is not there can never happen, and is left out.
  void add_merge(std::string_view left, std::string_view right, std::size_t rank) {
    const std::int32_t left_token = find_plain(left), right_token = find_plain(right);
    const std::int32_t result = find_plain(std::string(left).append(right));
    if (left_token < 0 || right_token < 0 || result < 0) return;
    merges_.insert(left_token, right_token, {static_cast<std::uint32_t>(rank), result});
  }

  void encode_piece(std::string_view piece, EncodeState& state) const {
    if (choice_.whole_pieces_first) {
      if (const std::int32_t whole = find_whole(piece); whole >= 0) return state.tokens.push_back(whole);
    }
    std::vector<MergeSymbol>& symbols = state.symbols;
    symbols.clear();
    for (std::uint32_t i = 0; i < piece.size(); ++i) {
      const std::int32_t token = byte_token_[static_cast<unsigned char>(piece[i])];
      // A byte that the model has no word for is left out before the merges, so that its neighbours still meet.
      if (token >= 0 || unknown_ >= 0) symbols.push_back({i, 1, token});
    }
    merge_symbols(symbols, [this](const MergeSymbol& left, const MergeSymbol& right) {
      return left.token < 0 || right.token < 0 ? MergeRule{} : merges_.find(left.token, right.token);
    });
    for (const MergeSymbol& symbol : symbols) {
      state.tokens.push_back(symbol.token >= 0 ? symbol.token : unknown_);
    }
  }

  std::int32_t find_whole(std::string_view piece) const {
    if (piece.size() > vocabulary_.longest_bytes()) return -1;
    std::string spelled;
    spelled.reserve(piece.size() * 2);
    append_stand_ins(piece, spelled);
    return find_plain(spelled);
  }

  PreTokenizerChoice choice_;
  RegexSplit regex_;  // instead of a scanner, if not empty
  std::array<std::int32_t, 256> byte_token_{};
  MergeTable merges_;
};

}  // namespace

Expected<std::unique_ptr<Tokenizer>> make_bpe_tokenizer(const Metadata& metadata) {
  auto tokenizer = std::make_unique<BpeTokenizer>();
  HEED_TRY(tokenizer->read_bpe(metadata));
  return std::unique_ptr<Tokenizer>(std::move(tokenizer));
}

}  // namespace heed
