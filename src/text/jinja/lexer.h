// lexer.h -- template source to tokens, with the white space rules of trim_blocks and lstrip_blocks.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"

namespace heed::jinja {

/// Where in the template, both from 1; columns count bytes.
struct Place {
  std::int32_t line = 1;
  std::int32_t column = 1;
};
std::string shown(Place place);

enum class TokenKind : std::uint8_t {
  data,            // text outside of tags
  variable_begin,  // {{
  variable_end,
  block_begin,  // {%
  block_end,
  name,
  string,  // text is unescaped
  integer,
  real,
  symbol,  // operator or bracket, spelled in text
  end
};

struct Token {
  TokenKind kind = TokenKind::end;
  std::string text;
  Place place;
};

/// The last token is always `end`.
Expected<std::vector<Token>> tokenize(std::string_view source);

}  // namespace heed::jinja
