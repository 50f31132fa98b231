// json_limits.h -- JSON that strangers wrote: bounded in depth, read without conversions.
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace heed {

/// Nothing when the text is no JSON or nests deeper than 16. The caller bounds its length.
std::optional<nlohmann::json> parse_bounded(const std::string& text);

/// The string under `key`; empty when `object` has none.
std::string text_in(const nlohmann::json& object, const char* key);

/// The integer under `key`; -1 when there is none in [0, most].
std::int64_t integer_in(const nlohmann::json& object, const char* key, std::int64_t most);

}  // namespace heed
