// json_text.h -- JSON as commands print it.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

namespace heed {

/// `value` on one line, or indented; bytes that are not UTF-8 (pieces of tokens, names of files) become U+FFFD.
inline std::string dump(const nlohmann::ordered_json& value, int indent = -1) {
  return value.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace heed
