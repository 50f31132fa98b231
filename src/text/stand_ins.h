// stand_ins.h -- byte-level BPE spells each byte by one printable character (GPT-2's bytes_to_unicode): printable
// Latin-1 stands for itself, the other 68 bytes are U+0100 and up, in order.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "text/utf8.h"

namespace heed {

inline constexpr std::uint32_t kStandIns = 0x100 + 68;

constexpr bool stands_for_itself(std::uint32_t byte) noexcept {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

inline constexpr std::array<std::uint16_t, 256> kStandInOf = [] {
  std::array<std::uint16_t, 256> table{};
  std::uint16_t next = 0x100;
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    table[byte] = stands_for_itself(byte) ? static_cast<std::uint16_t>(byte) : next++;
  }
  return table;
}();

inline constexpr std::array<std::int16_t, kStandIns> kByteOf = [] {
  std::array<std::int16_t, kStandIns> table{};
  for (std::int16_t& byte : table) byte = -1;
  for (std::uint32_t byte = 0; byte < 256; ++byte) table[kStandInOf[byte]] = static_cast<std::int16_t>(byte);
  return table;
}();

inline void append_stand_ins(std::string_view bytes, std::string& out) {
  for (const char byte : bytes) utf8_append(kStandInOf[static_cast<unsigned char>(byte)], out);
}

/// The bytes that a spelling stands for; characters that are no stand-ins stay as they are.
inline std::string bytes_of_stand_ins(std::string_view spelled) {
  std::string bytes;
  for (std::size_t at = 0; at < spelled.size();) {
    const Utf8Char c = utf8_first(spelled.substr(at));
    const bool is_stand_in = c.valid && c.code_point < kStandIns && kByteOf[c.code_point] >= 0;
    if (is_stand_in) {
      bytes += static_cast<char>(static_cast<unsigned char>(kByteOf[c.code_point]));
    } else {
      bytes += spelled.substr(at, c.size);
    }
    at += c.size;
  }
  return bytes;
}

}  // namespace heed
