// json_out.cc -- escapes, numbers and commas.
#include "serve/json_out.h"

#include <array>
#include <charconv>
#include <cmath>

namespace heed {
namespace {

// Length of the UTF-8 character at `i`, or 0 when the bytes there are none.
std::size_t character_length(std::string_view text, std::size_t i) {
  const auto byte = [&](std::size_t at) { return at < text.size() ? static_cast<unsigned char>(text[at]) : 0u; };
  const auto follows = [&](std::size_t at, unsigned low, unsigned high) { return byte(at) >= low && byte(at) <= high; };
  const unsigned lead = byte(i);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return follows(i + 1, 0x80, 0xbf) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    const unsigned low = lead == 0xe0 ? 0xa0 : 0x80, high = lead == 0xed ? 0x9f : 0xbf;
    return follows(i + 1, low, high) && follows(i + 2, 0x80, 0xbf) ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    const unsigned low = lead == 0xf0 ? 0x90 : 0x80, high = lead == 0xf4 ? 0x8f : 0xbf;
    return follows(i + 1, low, high) && follows(i + 2, 0x80, 0xbf) && follows(i + 3, 0x80, 0xbf) ? 4 : 0;
  }
  return 0;
}

void append_escaped(std::string& out, char c) {
  constexpr std::string_view kHex = "0123456789abcdef";
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) {
    out.push_back(c);
    return;
  }
  out += "\\u00";
  out.push_back(kHex[static_cast<unsigned char>(c) >> 4]);
  out.push_back(kHex[static_cast<unsigned char>(c) & 15]);
}

template <class Number>
std::string shortest(Number number) {
  std::array<char, 40> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
  return std::string(text.data(), end);
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out.push_back('"');
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = character_length(text, i);
    if (length == 1)
      append_escaped(out, text[i]);
    else if (length == 0)
      out += "\xef\xbf\xbd";
    else
      out.append(text.substr(i, length));
    i += length == 0 ? 1 : length;
  }
  out.push_back('"');
}

void JsonOut::separate() {
  if (needs_comma_) text_.push_back(',');
  needs_comma_ = true;
}

JsonOut& JsonOut::open(char bracket) {
  separate();
  text_.push_back(bracket);
  needs_comma_ = false;
  return *this;
}

JsonOut& JsonOut::close(char bracket) {
  text_.push_back(bracket);
  needs_comma_ = true;
  return *this;
}

JsonOut& JsonOut::key(std::string_view name) {
  separate();
  append_json_string(text_, name);
  text_.push_back(':');
  needs_comma_ = false;
  return *this;
}

JsonOut& JsonOut::value(std::string_view text) {
  separate();
  append_json_string(text_, text);
  return *this;
}

JsonOut& JsonOut::value(double number) { return std::isfinite(number) ? raw(shortest(number)) : null(); }
JsonOut& JsonOut::value(float number) { return std::isfinite(number) ? raw(shortest(number)) : null(); }

JsonOut& JsonOut::raw(std::string_view json) {
  separate();
  text_.append(json);
  return *this;
}

}  // namespace heed
