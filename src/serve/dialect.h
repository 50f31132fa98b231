// dialect.h -- another API's request as a chat request: which of its fields is which parameter, as one table.
#pragma once
#include <optional>
#include <span>
#include <string_view>

#include "serve/params.h"

namespace heed {

struct DialectField {
  std::string_view name;            // as its clients say
  std::string_view parameter = {};  // of the chat request: lends type, range and description; empty: none
  std::string_view schema = {};     // JSON, where the parameter's will not do
  std::string_view about = {};      // likewise; where `allows` is set, why other values are refused
  /// Without a parameter: values that ask for nothing heed lacks. Not set: the dialect reads the field itself.
  bool (*allows)(const Json& value) = nullptr;
};

/// The chat request that `body` amounts to, through the parameter table. `messages` are the body's, translated. Errors
/// name the body's own fields.
std::optional<ApiError> parse_dialect(std::span<const DialectField> fields, const Json& body, Json messages,
                                      GenerationParams& out);

/// The error with field `from`, or what is inside it, called `to`.
ApiError renamed(ApiError error, std::string_view from, std::string_view to);

/// What /openapi.json says of the request.
Json dialect_schema(std::span<const DialectField> fields, Json required);

// Values that ask for nothing.
inline bool is_empty_value(const Json& v) { return v.is_null() || ((v.is_array() || v.is_object()) && v.empty()); }

}  // namespace heed
