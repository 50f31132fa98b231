// special_tokens.h -- finds the tokens that stand for themselves in a text: control tokens in trusted runs only,
// user-defined ones everywhere.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace heed {

struct SpecialToken {
  std::string spelled;
  std::int32_t token = -1;
  bool trusted_only = false;
};

/// A half-open range of bytes.
struct TextRun {
  std::size_t begin = 0, end = 0;
};

/// A token that was found, or (token -1) the text between two.
struct TextPart {
  std::size_t begin = 0, end = 0;
  std::int32_t token = -1;
};

class SpecialTokens {
 public:
  /// Longer spellings are the caller's to refuse: a search costs at most this many steps for every byte of text.
  static constexpr std::size_t kLongestBytes = 512;

  SpecialTokens() = default;
  /// Of equal spellings a trusted_only one wins, then the lowest id; empty ones are left out.
  explicit SpecialTokens(std::vector<SpecialToken> tokens);

  /// Leftmost, then longest. A trusted_only token lies wholly within one run of `trusted` (ascending, disjoint), and
  /// these are found first: text around a trusted run cannot take a token out of it.
  std::vector<TextPart> partition(std::string_view text, std::span<const TextRun> trusted) const;

 private:
  enum class Allow : unsigned char { all, untrusted };
  struct Match {
    std::size_t size = 0;  // 0: none
    const SpecialToken* token = nullptr;
  };
  struct Range {
    std::uint32_t low = 0, high = 0;  // into tokens_
  };

  bool may_begin(char byte) const noexcept { return first_[static_cast<unsigned char>(byte)].high > 0; }
  Match longest_at(std::string_view text, Allow allow) const noexcept;
  void find_untrusted(std::string_view text, TextRun gap, std::vector<TextPart>& parts) const;

  std::vector<SpecialToken> tokens_;  // ascending by spelling
  std::array<Range, 256> first_{};    // by first byte
};

}  // namespace heed
