// utf8.cc -- UTF-8 by the table of well-formed byte sequences (Unicode standard, table 3-7).
#include "text/utf8.h"

namespace heed {
namespace {

struct Lead {
  std::uint32_t size;       // bytes of the character; 0: never begins one
  unsigned char low, high;  // of the second byte
};

constexpr Lead lead_of(unsigned char byte) noexcept {
  if (byte < 0xC2) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};  // no surrogates
  if (byte < 0xF0) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

}  // namespace

Utf8Char utf8_first_beyond_ascii(std::string_view text) noexcept {
  const auto byte_at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const bool is_common = (byte_at(0) & 0xF0) == 0xE0 && byte_at(0) != 0xE0 && byte_at(0) != 0xED;
  if (is_common && text.size() > 2 && byte_at(1) >> 6 == 2 && byte_at(2) >> 6 == 2)
    return {(byte_at(0) & 0xFU) << 12 | (byte_at(1) & 0x3FU) << 6 | (byte_at(2) & 0x3FU), 3, true, false};
  const Lead lead = lead_of(byte_at(0));
  if (lead.size == 0) return {};
  std::uint32_t code_point = byte_at(0) & (0x7FU >> lead.size);
  for (std::uint32_t i = 1; i < lead.size; ++i) {
    if (i >= text.size()) return {kReplacementCharacter, i, false, true};
    const unsigned char low = i == 1 ? lead.low : 0x80, high = i == 1 ? lead.high : 0xBF;
    if (byte_at(i) < low || byte_at(i) > high) return {kReplacementCharacter, i, false, false};
    code_point = code_point << 6 | (byte_at(i) & 0x3FU);
  }
  return {code_point, lead.size, true, false};
}

std::size_t utf8_append_valid(std::string_view text, std::string& out) {
  std::size_t valid = 0;  // where the valid stretch that is not written yet begins
  for (std::size_t at = 0; at < text.size();) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    const Utf8Char character = utf8_first_beyond_ascii(text.substr(at));
    if (!character.valid) {
      out += text.substr(valid, at - valid);
      if (character.cut) return at;
      out += kReplacementUtf8;
      valid = at + character.size;
    }
    at += character.size;
  }
  out += text.substr(valid);
  return text.size();
}

void utf8_append_beyond_ascii(std::uint32_t code_point, std::string& out) {
  const auto put = [&](std::uint32_t byte) { out += static_cast<char>(static_cast<unsigned char>(byte)); };
  if (code_point < 0x800) {
    put(0xC0 | code_point >> 6);
    put(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    put(0xE0 | code_point >> 12);
    put(0x80 | (code_point >> 6 & 0x3F));
    put(0x80 | (code_point & 0x3F));
  } else {
    put(0xF0 | code_point >> 18);
    put(0x80 | (code_point >> 12 & 0x3F));
    put(0x80 | (code_point >> 6 & 0x3F));
    put(0x80 | (code_point & 0x3F));
  }
}

}  // namespace heed
