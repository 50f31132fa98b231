// word_cuts.h -- where a text of SentencePiece's may be cut for its merges: at a space, before or behind it, where no
// token of the vocabulary reaches across. Cutting there changes no token and keeps the work in the cache.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/byte_tokens.h"

namespace heed {

class WordCuts {
 public:
  /// Remembers what stands around a space within a token: there a word must not end.
  void note(std::string_view spelled) {
    for (std::size_t mark = spelled.find(kSpaceMark); mark < spelled.size();
         mark = spelled.find(kSpaceMark, mark + kSpaceMark.size())) {
      const std::size_t left = spelled.size() - mark - kSpaceMark.size();
      if (mark > 0) remember(Side::before, spelled, mark, left);
      if (left > 0) remember(Side::behind, spelled, mark, left);
    }
  }

  /// The end of the word that begins at `begin`, at most `longest` bytes after it.
  std::size_t word_end(std::string_view text, std::size_t begin, std::size_t longest) const noexcept {
    const std::size_t limit = std::min(text.size(), begin + longest);
    for (std::size_t mark = text.find(kSpaceMark, begin); mark < limit;
         mark = text.find(kSpaceMark, mark + kSpaceMark.size())) {
      if (mark > begin && may_cut(Side::before, text, mark)) return mark;
      const std::size_t behind = mark + kSpaceMark.size();
      if (behind < limit && may_cut(Side::behind, text, mark)) return behind;
    }
    return limit;
  }

  /// Whether no token reaches across a space that follows another one.
  bool may_cut_spaces() const noexcept { return !crosses_[0][static_cast<unsigned char>(kSpaceMark.back())]; }

 private:
  enum class Side : unsigned char { before, behind };            // of a space
  static constexpr std::size_t kMostBefore = 4, kMostAfter = 3;  // bytes around a space that are looked at
  static constexpr std::size_t kSlots = std::size_t{1} << 20;

  static std::size_t index(Side side) noexcept { return static_cast<std::size_t>(side); }
  static unsigned char next_byte(Side side, std::string_view text, std::size_t mark) noexcept {
    return static_cast<unsigned char>(text[side == Side::before ? mark - 1 : mark + kSpaceMark.size()]);
  }

  void remember(Side side, std::string_view spelled, std::size_t mark, std::size_t left) {
    if (seen_.empty()) seen_.resize(kSlots / 64);
    const std::size_t before = std::min(mark, kMostBefore), after = std::min(left, kMostAfter);
    crosses_[index(side)][next_byte(side, spelled, mark)] = true;
    has_size_[index(side)][before][after] = true;
    const std::size_t slot = slot_of(side, spelled, mark, before, after);
    seen_[slot / 64] |= std::uint64_t{1} << slot % 64;
  }

  /// At the space at `mark`, where there is text on that side. Tokens that reach across match the text around it; where
  /// the text begins too late for their whole beginning, the next byte decides.
  bool may_cut(Side side, std::string_view text, std::size_t mark) const noexcept {
    if (!crosses_[index(side)][next_byte(side, text, mark)]) return true;
    if (mark < kMostBefore) return false;
    const std::size_t most_after = std::min(kMostAfter, text.size() - mark - kSpaceMark.size());
    for (std::size_t before = 0; before <= kMostBefore; ++before)
      for (std::size_t after = 0; after <= most_after; ++after)
        if (has_size_[index(side)][before][after] && has_seen(slot_of(side, text, mark, before, after))) return false;
    return true;
  }

  static std::size_t slot_of(Side side, std::string_view text, std::size_t mark, std::size_t before,
                             std::size_t after) noexcept {
    std::uint64_t key = static_cast<std::uint64_t>(side) << 6 | before << 3 | after;
    for (std::size_t i = mark - before; i < mark; ++i) key = key << 8 | static_cast<unsigned char>(text[i]);
    const std::size_t behind = mark + kSpaceMark.size();
    for (std::size_t i = behind; i < behind + after; ++i) key = key << 8 | static_cast<unsigned char>(text[i]);
    return static_cast<std::size_t>(key * 0x9E3779B97F4A7C15ULL >> 44);  // 20 bits
  }
  bool has_seen(std::size_t slot) const noexcept { return (seen_[slot / 64] >> slot % 64 & 1) != 0; }

  std::array<std::array<bool, 256>, 2> crosses_{};  // [side][byte next to the space]
  std::array<std::array<std::array<bool, kMostAfter + 1>, kMostBefore + 1>, 2> has_size_{};
  std::vector<std::uint64_t> seen_;  // a filter: what is not in it was not noted; empty if nothing was
};

}  // namespace heed
