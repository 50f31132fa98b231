// string_literal.h -- the escapes of string literals, as Python's unicode-escape reads them.
#pragma once
#include <string>
#include <string_view>

#include "core/expected.h"

namespace heed::jinja {

/// Unknown escapes keep their backslash. Fails for truncated \x, \u, \U and for \N.
Expected<std::string> unescape(std::string_view literal);

}  // namespace heed::jinja
