// normal_forms.h -- what normalizers share: Unicode's normal forms, lower case, what BERT cleans away.
#pragma once
#include <string>
#include <string_view>

#include "text/utf8.h"

namespace heed {

enum class NormalForm : unsigned char { nfc, nfd, nfkc, nfkd };

bool is_ascii(std::string_view text) noexcept;
/// How many bytes of ASCII `text` begins with.
std::size_t ascii_run(std::string_view text) noexcept;

/// Calls visit(code_point) for each character; invalid bytes are left out.
template <class Visit>
void each_character(std::string_view text, const Visit& visit) {
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Char c = utf8_first(text.substr(at));
    if (c.valid) visit(c.code_point);
    at += c.size;
  }
}

/// Of valid UTF-8.
std::string normal_form(std::string_view text, NormalForm form);

void append_lowercase_beyond_ascii(std::uint32_t code_point, std::string& out);
/// Character by character, as Unicode's simple mapping has it; U+0130 becomes two.
inline void append_lowercase(std::uint32_t code_point, std::string& out) {
  if (code_point >= 0x80) return append_lowercase_beyond_ascii(code_point, out);
  out += static_cast<char>(code_point >= 'A' && code_point <= 'Z' ? code_point + ('a' - 'A') : code_point);
}

/// All of valid UTF-8.
std::string lowercase(std::string_view text);

}  // namespace heed
