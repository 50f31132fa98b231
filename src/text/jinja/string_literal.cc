// string_literal.cc -- \n, \x41, \u00e9, \101 and kin.
#include "text/jinja/string_literal.h"

#include <algorithm>
#include <charconv>

#include "text/jinja/characters.h"

namespace heed::jinja {
namespace {

/// The character a one-letter escape stands for, or '\0' for others.
char simple_escape(char c) {
  constexpr std::string_view kLetters = "\\'\"abfnrtv";
  constexpr std::string_view kMeanings = "\\'\"\a\b\f\n\r\t\v";
  const std::size_t at = kLetters.find(c);
  return at == std::string_view::npos ? '\0' : kMeanings[at];
}

std::size_t hex_length(char c) { return c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0; }

Expected<std::uint32_t> hex_code(std::string_view digits, std::size_t length) {
  digits = digits.substr(0, length);
  std::uint32_t code = 0;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
  const bool complete = digits.size() == length && error == std::errc() && stop == digits.data() + length;
  if (!complete) return fail(Code::malformed, "truncated escape in a string");
  if (code > 0x10FFFF) return fail(Code::malformed, "illegal Unicode character in a string");
  return code;
}

/// \ud83d\ude00 is one character.
bool joins_surrogates(std::uint32_t high, std::string_view rest, std::uint32_t& code) {
  if (high < 0xD800 || high >= 0xDC00 || !rest.starts_with("\\u")) return false;
  const auto low = hex_code(rest.substr(2), 4);
  if (!low || *low < 0xDC00 || *low >= 0xE000) return false;
  code = 0x10000 + ((high - 0xD800) << 10U) + (*low - 0xDC00);
  return true;
}

}  // namespace

Expected<std::string> unescape(std::string_view literal) {
  std::string out;
  for (std::size_t i = 0; i < literal.size(); ++i) {
    if (literal[i] != '\\' || i + 1 == literal.size()) {
      out.push_back(literal[i]);
      continue;
    }
    const char c = literal[++i];
    if (c == '\n') continue;  // a continued line
    if (c == 'N') return fail(Code::unsupported, "named characters (\\N) are not supported");
    if (const char meaning = simple_escape(c); meaning != '\0') {
      out.push_back(meaning);
    } else if (c >= '0' && c <= '7') {
      std::uint32_t code = 0;
      const std::size_t end = std::min(i + 3, literal.size());
      for (; i < end && literal[i] >= '0' && literal[i] <= '7'; ++i)
        code = code * 8 + static_cast<std::uint32_t>(literal[i] - '0');
      --i;
      append_utf8(out, code);
    } else if (const std::size_t length = hex_length(c); length > 0) {
      HEED_ASSIGN(std::uint32_t code, hex_code(literal.substr(i + 1), length));
      i += length;
      if (joins_surrogates(code, literal.substr(i + 1), code)) i += 6;
      const bool lone_surrogate = code >= 0xD800 && code < 0xE000;
      append_utf8(out, lone_surrogate ? 0xFFFD : code);
    } else {
      out.push_back('\\');
      out.push_back(c);
    }
  }
  return out;
}

}  // namespace heed::jinja
