// onig_pattern.h -- a regular expression of tokenizer.json (Oniguruma's syntax) as PCRE2 writes it.
#pragma once
#include <string>
#include <string_view>

#include "core/expected.h"

namespace heed {

/// Both give the same matches in texts that have no characters which are newer than PCRE2's tables: there `known` is
/// several times as fast.
struct PcrePatterns {
  std::string whole, known;
};

/// What means something else to PCRE2 is rewritten: \s \w \d and the classes of Unicode 16, $ and ^ at lines, \v, \u.
/// What cannot be is refused as unsupported, with the construct: back references, nested classes, \h, \R, options.
Expected<PcrePatterns> pcre_of_oniguruma(std::string_view pattern);

/// Whether valid UTF-8 has characters that PCRE2's tables may lack.
bool has_new_characters(std::string_view text) noexcept;

}  // namespace heed
