// piece_list.h -- a text and the pieces it is cut into, as the pre-tokenizers of tokenizer.json hand it on.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/special_tokens.h"

namespace heed {

struct PieceList {
  std::string text;             // valid UTF-8
  std::vector<TextRun> pieces;  // ascending, disjoint, none empty; what lies between them is gone
  bool keeps_start = true;      // the first character stands for the first of what was encoded

  std::string_view piece(std::size_t i) const noexcept {
    return std::string_view(text).substr(pieces[i].begin, pieces[i].end - pieces[i].begin);
  }
  bool is_start(std::size_t i) const noexcept { return i == 0 && keeps_start && pieces[0].begin == 0; }

  /// Writes every piece anew: write(i, piece, out) appends it.
  template <class Write>
  void rewrite(const Write& write) {
    std::string out;
    out.reserve(text.size() + text.size() / 4);
    const bool at_start = !pieces.empty() && is_start(0);
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      const std::size_t begin = out.size();
      write(i, piece(i), out);
      pieces[i] = {begin, out.size()};
    }
    text = std::move(out);
    keeps_start = at_start;
  }

  /// Cuts every piece: cut(piece, add) calls add(begin, end) for the parts that stay, from the left, within the piece.
  template <class Cut>
  void split(const Cut& cut) {
    std::vector<TextRun> next;
    next.reserve(pieces.size());
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      const std::size_t origin = pieces[i].begin;
      cut(piece(i), [&](std::size_t begin, std::size_t end) {
        if (begin < end) next.push_back({origin + begin, origin + end});
      });
    }
    pieces = std::move(next);
  }
};

}  // namespace heed
