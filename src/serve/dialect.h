// dialect.h -- another API's requests in terms of the parameter table: which of its fields is which row, what its own
// fields may be, and errors that name the field that the client sent.
#pragma once
#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "serve/params.h"

namespace heed {

struct DialectField {
  std::string_view theirs{};        // "num_predict"; "options.num_predict" lies in the object `options`
  std::string_view ours{};          // the row of the table, which has type, range and text; "": the dialect's own
  ParamType type = ParamType::any;  // of its own field
  std::string_view about{};         // of its own field; with `allows`, the error's text
  /// Set: the field asks for something that has no room yet, unless its value is one of these.
  bool (*allows)(const Json& value) = nullptr;
};

/// One request body: parses, refuses and documents it.
struct DialectShape {
  std::string_view name{};  // in /openapi.json
  Endpoint endpoint = kCompletionEndpoint;
  std::span<const DialectField> fields{};
  std::string_view required{};  // "": nothing
};

template <std::size_t N, std::size_t M>
constexpr std::array<DialectField, N + M> join(const std::array<DialectField, N>& a,
                                               const std::array<DialectField, M>& b) {
  std::array<DialectField, N + M> out;
  for (std::size_t i = 0; i < N; ++i) out[i] = a[i];
  for (std::size_t i = 0; i < M; ++i) out[N + i] = b[i];
  return out;
}

/// The value of "a" or "a.b"; nullptr where it is absent or null.
const Json* find_field(const Json& body, std::string_view name) noexcept;

/// Checks the dialect's own fields and puts the others into `out` by our names, the first that is there where two have
/// one name. Error: of the field, by their name.
std::optional<ApiError> translate(const DialectShape& shape, const Json& body, Json& out);

/// parse_params of a translated body; errors by their names. Without max_tokens: to the end of the context.
std::optional<ApiError> parse_translated(const DialectShape& shape, const Json& body, const Json& translated,
                                         GenerationParams& out);

/// Where -1 means a seed nobody chose.
void draw_seed(Json& translated);

/// For /openapi.json.
Json dialect_schema(const DialectShape& shape);

// What dialects allow of fields without room.
bool is_empty_value(const Json& value);  // "", [], {}
bool is_false_value(const Json& value);

}  // namespace heed
