// unicode_tables.h -- what kind of character a code point is, from tables of one pinned Unicode version.
#pragma once
#include <cstdint>

namespace heed {

/// General categories L, N, P, S, M by their letter; space is the property White_Space (all of Z, and the controls
/// tab to carriage return and next line). Unassigned, format and other control characters are `other`.
enum class CharClass : std::uint8_t { other, letter, number, punctuation, symbol, mark, space };

CharClass char_class(std::uint32_t code_point) noexcept;
const char* unicode_version() noexcept;

}  // namespace heed
