// unigram_path.h -- the likeliest cut of a text into pieces (Kudo 2018): Viterbi over the characters of a text.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/byte_trie.h"
#include "text/utf8.h"

namespace heed {

struct UnigramPiece {
  std::uint32_t begin = 0, end = 0;  // bytes
  std::int32_t token = -1;           // -1: a character of no token
};

inline constexpr double kUnknownPenalty = 10;  // below the worst score

/// `Score` is the type in which scores add up, which decides between cuts that are all but equal: float is
/// SentencePiece, double the tokenizers library.
template <class Score>
class UnigramPath {
 public:
  /// score_of(token) of the tokens in `trie`; `text` is valid UTF-8 of less than 2^32 bytes. Of equal sums the one
  /// whose last piece begins first.
  template <class ScoreOf>
  void find(std::string_view text, const ByteTrie& trie, const ScoreOf& score_of, Score unknown_score,
            std::vector<UnigramPiece>& pieces) {
    best_.assign(text.size() + 1, Node{});
    for (std::uint32_t at = 0; at < text.size();) {
      const Score before = best_[at].score;
      const std::uint32_t character = utf8_first(text.substr(at)).size;
      bool is_spelled = false;
      trie.each_prefix(text.substr(at), [&](std::size_t bytes, std::int32_t token) {
        offer(at, bytes, token, before + score_of(token));
        is_spelled = is_spelled || bytes == character;
      });
      if (!is_spelled) offer(at, character, -1, before + unknown_score);
      at += character;
    }
    pieces.clear();
    for (auto end = static_cast<std::uint32_t>(text.size()); end > 0; end = pieces.back().begin)
      pieces.push_back({best_[end].begin, end, best_[end].token});
    std::reverse(pieces.begin(), pieces.end());
  }

 private:
  static constexpr std::uint32_t kNowhere = 0xFFFFFFFF;
  struct Node {
    Score score = 0;
    std::uint32_t begin = kNowhere;  // of the last piece
    std::int32_t token = -1;
  };

  void offer(std::uint32_t begin, std::size_t bytes, std::int32_t token, Score score) {
    Node& node = best_[begin + bytes];
    if (node.begin == kNowhere || score > node.score) node = {score, begin, token};
  }

  std::vector<Node> best_;  // [text bytes + 1], the best way to there
};

}  // namespace heed
