// byte_tokens.h -- what SentencePiece's models share: U+2581 for spaces, and a token for each byte ("<0x0A>").
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace heed {

inline constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581

/// "<0x0A>" -> 10, or -1.
constexpr int byte_spelled(std::string_view spelled) noexcept {
  const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; };
  if (spelled.size() != 6 || !spelled.starts_with("<0x") || spelled[5] != '>') return -1;
  const int high = digit(spelled[3]), low = digit(spelled[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/// With every mark as a space.
inline std::string with_spaces(std::string_view spelled, std::string_view mark = kSpaceMark) {
  std::string text;
  while (!spelled.empty()) {
    const std::size_t at = spelled.find(mark);
    text += spelled.substr(0, at);
    if (at == std::string_view::npos) break;
    text += ' ';
    spelled.remove_prefix(at + mark.size());
  }
  return text;
}

class ByteTokens {
 public:
  ByteTokens() { tokens_.fill(-1); }

  /// The first of equals stays. false: the spelling is none of a byte.
  bool note(std::string_view spelled, std::int32_t token) noexcept {
    const int byte = byte_spelled(spelled);
    if (byte < 0) return false;
    std::int32_t& slot = tokens_[static_cast<std::size_t>(byte)];
    if (slot < 0) slot = token;
    return true;
  }

  /// Appends a token for each byte, if there is one for all of them.
  bool append(std::string_view text, std::vector<std::int32_t>& tokens) const {
    const auto token_of = [&](char c) { return tokens_[static_cast<unsigned char>(c)]; };
    if (!std::all_of(text.begin(), text.end(), [&](char c) { return token_of(c) >= 0; })) return false;
    for (const char c : text) tokens.push_back(token_of(c));
    return true;
  }

 private:
  std::array<std::int32_t, 256> tokens_{};
};

}  // namespace heed
