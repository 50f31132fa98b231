// json_reader.h -- hostile JSON: bounded depth and count of values, no key twice; every error names its place.
#pragma once
#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "core/expected.h"

namespace heed {

struct JsonLimits {
  std::size_t depth = 64;
  std::size_t values = std::size_t{1} << 22;
};

/// `what` begins the errors' text ("config.json"). Errors: malformed (syntax, duplicate key), too_long (limits).
Expected<nlohmann::ordered_json> read_json(std::string_view text, const std::string& what,
                                           const JsonLimits& limits = {});

}  // namespace heed
