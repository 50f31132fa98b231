// word_cuts.h -- where a text of SentencePiece's may be cut for its merges: before a space that no token of the
// vocabulary joins to what precedes it. Cutting there changes no token and keeps the work in the cache.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

#include "text/byte_tokens.h"

namespace heed {

class WordCuts {
 public:
  /// Remembers the bytes that stand right before a space within a token: there a word must not end.
  void note(std::string_view spelled) noexcept {
    for (std::size_t mark = spelled.find(kSpaceMark, 1); mark < spelled.size();
         mark = spelled.find(kSpaceMark, mark + 1)) {
      crosses_[static_cast<unsigned char>(spelled[mark - 1])] = true;
    }
  }

  bool may_cut_after(char byte) const noexcept { return !crosses_[static_cast<unsigned char>(byte)]; }

  /// The end of the word that begins at `begin`, at most `longest` bytes after it.
  std::size_t word_end(std::string_view text, std::size_t begin, std::size_t longest) const noexcept {
    const std::size_t limit = std::min(text.size(), begin + longest);
    for (std::size_t mark = begin + 1; (mark = text.find(kSpaceMark, mark)) < limit; ++mark) {
      if (may_cut_after(text[mark - 1])) return mark;
    }
    return limit;
  }

 private:
  std::array<bool, 256> crosses_{};
};

}  // namespace heed
