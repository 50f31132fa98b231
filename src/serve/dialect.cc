// dialect.cc -- their names to ours, our errors to theirs.
#include "serve/dialect.h"

#include <openssl/rand.h>

#include <array>
#include <cstring>
#include <string>

namespace heed {
namespace {

bool names_row(const DialectField& field, std::string_view row) { return !field.ours.empty() && field.ours == row; }

// "stop[2]" and "heed.priority" begin with the row's name.
std::string_view row_of(std::string_view param) { return param.substr(0, param.find_first_of("[.")); }

ApiError by_their_name(ApiError error, const DialectShape& shape, const Json& body) {
  const std::string_view row = row_of(error.param);
  const DialectField* named = nullptr;
  for (const DialectField& field : shape.fields) {
    if (!names_row(field, row)) continue;
    if (named == nullptr) named = &field;
    if (find_field(body, field.theirs) == nullptr) continue;
    named = &field;
    break;
  }
  if (named == nullptr || named->theirs == row) return error;
  const std::size_t length = row.size();
  if (error.message.compare(0, length, error.param, 0, length) == 0) error.message.replace(0, length, named->theirs);
  error.param.replace(0, length, named->theirs);
  return error;
}

std::optional<ApiError> check_own(const DialectField& field, const Json& value) {
  const std::string name(field.theirs);
  if (field.allows != nullptr) {
    if (field.allows(value)) return std::nullopt;
    return not_supported_yet(name, std::string(field.about));
  }
  return check_type(ParamRow{.type = field.type}, name, value);
}

std::optional<ApiError> check_parent(const Json& body, std::string_view name) {
  const std::size_t dot = name.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const auto found = body.find(name.substr(0, dot));
  if (found == body.end() || found->is_null() || found->is_object()) return std::nullopt;
  return invalid_type(std::string(name.substr(0, dot)), "an object", describe(*found));
}

}  // namespace

const Json* find_field(const Json& body, std::string_view name) noexcept {
  const Json* at = &body;
  while (true) {
    if (!at->is_object()) return nullptr;
    const std::size_t dot = name.find('.');
    const auto found = at->find(name.substr(0, dot));
    if (found == at->end() || found->is_null()) return nullptr;
    at = &*found;
    if (dot == std::string_view::npos) return at;
    name = name.substr(dot + 1);
  }
}

std::optional<ApiError> translate(const DialectShape& shape, const Json& body, Json& out) {
  for (const DialectField& field : shape.fields) {
    if (auto error = check_parent(body, field.theirs)) return error;
    const Json* value = find_field(body, field.theirs);
    if (value == nullptr) continue;
    if (field.ours.empty()) {
      if (auto error = check_own(field, *value)) return error;
    } else if (!out.contains(field.ours)) {
      out[std::string(field.ours)] = *value;
    }
  }
  return std::nullopt;
}

std::optional<ApiError> parse_translated(const DialectShape& shape, const Json& body, const Json& translated,
                                         GenerationParams& out) {
  if (auto error = parse_params(translated, shape.endpoint, out)) return by_their_name(std::move(*error), shape, body);
  if (out.max_tokens_given < 0) out.max_tokens = -1;
  return std::nullopt;
}

void draw_seed(Json& translated) {
  const auto found = translated.find("seed");
  if (found == translated.end() || !found->is_number_integer() || *found != -1) return;
  std::array<unsigned char, sizeof(std::uint32_t)> bytes{};
  RAND_bytes(bytes.data(), static_cast<int>(bytes.size()));
  std::uint32_t seed = 0;  // 32 bits: a number that every client's JSON keeps
  std::memcpy(&seed, bytes.data(), sizeof seed);
  *found = seed;
}

Json dialect_schema(const DialectShape& shape) {
  Json made = {{"type", "object"}, {"properties", Json::object()}};
  if (!shape.required.empty()) made["required"] = Json::array({std::string(shape.required)});
  for (const DialectField& field : shape.fields) {
    Json schema = field.ours.empty() ? field_schema(ParamRow{.type = field.type}) : Json::object();
    std::string about(field.about);
    if (field.allows != nullptr) about.insert(0, "Not supported yet: ");
    for (const ParamRow& row : parameter_table()) {
      if (!names_row(field, row.name) || (row.endpoints & shape.endpoint) == 0) continue;
      schema = field_schema(row);
      if (about.empty()) about = row.apply == nullptr ? "Not supported yet: " + std::string(row.about) : row.about;
    }
    schema["description"] = about;
    const std::size_t dot = field.theirs.find('.');
    Json* place = &made["properties"];
    if (dot != std::string_view::npos) {
      Json& parent = (*place)[std::string(field.theirs.substr(0, dot))];
      parent["type"] = "object";
      place = &parent["properties"];
    }
    (*place)[std::string(field.theirs.substr(dot == std::string_view::npos ? 0 : dot + 1))] = std::move(schema);
  }
  return made;
}

bool is_empty_value(const Json& value) {
  return (value.is_string() && value.get_ref<const std::string&>().empty()) || (value.is_structured() && value.empty());
}
bool is_false_value(const Json& value) { return value.is_boolean() && !value.get<bool>(); }

}  // namespace heed
