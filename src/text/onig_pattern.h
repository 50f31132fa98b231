// onig_pattern.h -- a regular expression of tokenizer.json (Oniguruma's syntax) as PCRE2 writes it.
#pragma once
#include <string>
#include <string_view>

#include "core/expected.h"

namespace heed {

/// What means something else to PCRE2 is rewritten: \s \w \d and the classes of Unicode 16, $ and ^ at lines, \v, \u.
/// What cannot be is refused as unsupported, with the construct: back references, nested classes, \h, \R, options.
Expected<std::string> pcre_of_oniguruma(std::string_view pattern);

}  // namespace heed
