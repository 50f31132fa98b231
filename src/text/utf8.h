// utf8.h -- the one UTF-8 reader of the text room: characters, and invalid bytes by maximal subparts.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace heed {

inline constexpr std::uint32_t kReplacementCharacter = 0xFFFD;
inline constexpr std::string_view kReplacementUtf8 = "\xEF\xBF\xBD";

struct Utf8Char {
  std::uint32_t code_point = kReplacementCharacter;
  std::uint32_t size = 1;  // bytes; for invalid bytes the maximal subpart (WHATWG: one U+FFFD for each)
  bool valid = false;
  bool cut = false;  // invalid only because the text ends: more bytes could complete it
};

/// utf8_first of what does not begin with ASCII.
Utf8Char utf8_first_beyond_ascii(std::string_view text) noexcept;

/// The first character of `text`, which must not be empty.
inline Utf8Char utf8_first(std::string_view text) noexcept {
  const auto byte = static_cast<unsigned char>(text[0]);
  if (byte < 0x80) return {byte, 1, true, false};
  if (byte >= 0xC2 && byte < 0xE0 && text.size() > 1) {
    const auto next = static_cast<unsigned char>(text[1]);
    if (next >> 6 == 2) return {(byte & 0x1FU) << 6 | (next & 0x3FU), 2, true, false};
  }
  return utf8_first_beyond_ascii(text);
}

/// Appends `text` to `out` with every invalid subpart as U+FFFD, and returns how many bytes were consumed: all of them,
/// except a last character that is cut (at most 3 bytes).
std::size_t utf8_append_valid(std::string_view text, std::string& out);

void utf8_append_beyond_ascii(std::uint32_t code_point, std::string& out);
/// Appends one code point.
inline void utf8_append(std::uint32_t code_point, std::string& out) {
  if (code_point >= 0x80) return utf8_append_beyond_ascii(code_point, out);
  out += static_cast<char>(code_point);
}

}  // namespace heed
