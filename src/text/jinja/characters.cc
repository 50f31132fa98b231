// characters.cc -- UTF-8 decoding by hand (lenient), categories and case from utf8proc.
#include "text/jinja/characters.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>

namespace heed::jinja {
namespace {

constexpr std::uint32_t kBrokenByte = 0xDC00;

bool continues(std::string_view text, std::size_t offset) noexcept {
  return offset < text.size() && (static_cast<unsigned char>(text[offset]) & 0xC0U) == 0x80U;
}

utf8proc_category_t category(std::uint32_t code) noexcept { return utf8proc_category(static_cast<std::int32_t>(code)); }

}  // namespace

Character character_at(std::string_view text, std::size_t offset) noexcept {
  const auto lead = static_cast<unsigned char>(text[offset]);
  if (lead < 0x80) return {lead, 1};
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  const Character broken{kBrokenByte + lead, 1};
  if (lead < 0xC2 || lead > 0xF4) return broken;
  std::uint32_t code = lead & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if (!continues(text, offset + i)) return broken;
    code = code << 6U | (static_cast<unsigned char>(text[offset + i]) & 0x3FU);
  }
  constexpr std::array<std::uint32_t, 5> kSmallest{0, 0, 0x80, 0x800, 0x10000};
  if (code < kSmallest[length] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return broken;
  return {code, length};
}

Character character_before(std::string_view text, std::size_t end) noexcept {
  for (std::size_t length = std::min<std::size_t>(end, 4); length > 1; --length) {
    const Character character = character_at(text.substr(0, end), end - length);
    if (character.bytes == length) return character;
  }
  return character_at(text.substr(0, end), end - 1);
}

std::size_t character_count(std::string_view text) noexcept {
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size(); at += character_at(text, at).bytes) ++count;
  return count;
}

std::size_t character_offset(std::string_view text, std::size_t index) noexcept {
  std::size_t at = 0;
  for (; index > 0 && at < text.size(); --index) at += character_at(text, at).bytes;
  return at;
}

std::vector<std::uint32_t> character_offsets(std::string_view text) {
  std::vector<std::uint32_t> offsets;
  for (std::size_t at = 0; at < text.size(); at += character_at(text, at).bytes) {
    offsets.push_back(static_cast<std::uint32_t>(at));
  }
  offsets.push_back(static_cast<std::uint32_t>(text.size()));
  return offsets;
}

bool is_space(std::uint32_t code) noexcept {
  if (code < 0x80) return code == ' ' || (code >= 0x09 && code <= 0x0D) || (code >= 0x1C && code <= 0x1F);
  return code == 0x85 || code == 0xA0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 ||
         code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

bool is_digit(std::uint32_t code) noexcept {
  if (code < 0x80) return code >= '0' && code <= '9';
  return category(code) == UTF8PROC_CATEGORY_ND;
}

bool is_letter(std::uint32_t code) noexcept {
  const utf8proc_category_t kind = category(code);
  return kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO;
}

bool is_upper(std::uint32_t code) noexcept { return category(code) == UTF8PROC_CATEGORY_LU; }
bool is_lower(std::uint32_t code) noexcept { return category(code) == UTF8PROC_CATEGORY_LL; }

bool is_printable(std::uint32_t code) noexcept {
  if (code < 0x80) return code >= 0x20 && code < 0x7F;
  switch (category(code)) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return false;
    default:
      return true;
  }
}

std::uint32_t upper_of(std::uint32_t code) noexcept {
  return static_cast<std::uint32_t>(utf8proc_toupper(static_cast<std::int32_t>(code)));
}

std::uint32_t lower_of(std::uint32_t code) noexcept {
  return static_cast<std::uint32_t>(utf8proc_tolower(static_cast<std::int32_t>(code)));
}

std::uint32_t title_of(std::uint32_t code) noexcept {
  return static_cast<std::uint32_t>(utf8proc_totitle(static_cast<std::int32_t>(code)));
}

void append_utf8(std::string& out, std::uint32_t code) {
  if (code >= kBrokenByte + 0x80 && code <= kBrokenByte + 0xFF) {  // a byte that was broken stays what it was
    out.push_back(static_cast<char>(code - kBrokenByte));
    return;
  }
  std::array<utf8proc_uint8_t, 4> bytes{};
  const auto length = utf8proc_encode_char(static_cast<std::int32_t>(code), bytes.data());
  for (std::ptrdiff_t i = 0; i < length; ++i) out.push_back(static_cast<char>(bytes[static_cast<std::size_t>(i)]));
}

Range stripped(std::string_view text, const StripOptions& options) {
  std::vector<std::uint32_t> set;
  for (std::size_t at = 0; at < options.set.size(); at += character_at(options.set, at).bytes) {
    set.push_back(character_at(options.set, at).code);
  }
  std::sort(set.begin(), set.end());
  const auto drops = [&](std::uint32_t code) {
    return options.any_space ? is_space(code) : std::binary_search(set.begin(), set.end(), code);
  };
  Range rest{0, text.size()};
  while (options.left && rest.from < rest.to) {
    const Character character = character_at(text, rest.from);
    if (!drops(character.code)) break;
    rest.from += character.bytes;
  }
  while (options.right && rest.from < rest.to) {
    const Character character = character_before(text, rest.to);
    if (!drops(character.code)) break;
    rest.to -= character.bytes;
  }
  return rest;
}

std::vector<Range> lines_of(std::string_view text) {
  const auto ends_line = [](std::uint32_t code) {
    return (code >= 0x0A && code <= 0x0D) || (code >= 0x1C && code <= 0x1E) || code == 0x85 || code == 0x2028 ||
           code == 0x2029;
  };
  std::vector<Range> lines;
  std::size_t start = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Character character = character_at(text, at);
    std::size_t next = at + character.bytes;
    if (ends_line(character.code)) {
      lines.push_back({start, at});
      if (character.code == '\r' && next < text.size() && text[next] == '\n') ++next;
      start = next;
    }
    at = next;
  }
  if (start < text.size()) lines.push_back({start, text.size()});
  return lines;
}

Searcher::Searcher(std::string_view needle) : needle_(needle) {
  constexpr std::size_t kShortNeedle = 32;  // below, the library's search costs at most this factor
  if (needle.size() <= kShortNeedle) return;
  fallback_.assign(needle.size(), 0);
  std::uint32_t matched = 0;
  for (std::size_t i = 1; i < needle.size(); ++i) {
    while (matched > 0 && needle[i] != needle[matched]) matched = fallback_[matched - 1];
    if (needle[i] == needle[matched]) ++matched;
    fallback_[i] = matched;
  }
}

std::size_t Searcher::next(std::string_view haystack, std::size_t from) const noexcept {
  if (fallback_.empty()) return haystack.find(needle_, from);
  std::uint32_t matched = 0;
  for (std::size_t i = from; i < haystack.size(); ++i) {
    while (matched > 0 && haystack[i] != needle_[matched]) matched = fallback_[matched - 1];
    if (haystack[i] == needle_[matched]) ++matched;
    if (matched == needle_.size()) return i + 1 - matched;
  }
  return std::string_view::npos;
}

std::size_t find_last(std::string_view haystack, std::string_view needle) {
  const std::string backwards(haystack.rbegin(), haystack.rend());
  const std::string needle_backwards(needle.rbegin(), needle.rend());
  const std::size_t found = Searcher(needle_backwards).next(backwards, 0);
  return found == std::string::npos ? std::string_view::npos : haystack.size() - found - needle.size();
}

}  // namespace heed::jinja
