// openapi.cc -- the interface described by what parses it.
#include "serve/anthropic.h"
#include "serve/service.h"

namespace heed {
namespace {

Json schema_of(const ParamRow& row) {
  switch (row.type) {
    case ParamType::number:
      return {{"type", "number"}, {"minimum", row.low}, {"maximum", row.high}};
    case ParamType::integer:
      return {{"type", "integer"}, {"minimum", row.low}, {"maximum", row.high}};
    case ParamType::boolean:
      return {{"type", "boolean"}};
    case ParamType::string:
      return {{"type", "string"}};
    case ParamType::stop:
      return {
          {"anyOf", {{{"type", "string"}}, {{"type", "array"}, {"maxItems", 16}, {"items", {{"type", "string"}}}}}}};
    case ParamType::bias:
      return {{"type", "object"}, {"additionalProperties", {{"type", "number"}, {"minimum", -100}, {"maximum", 100}}}};
    case ParamType::messages:
      return {{"type", "array"}, {"minItems", 1}, {"items", {{"$ref", "#/components/schemas/Message"}}}};
    case ParamType::prompt:
      return {{"anyOf", {{{"type", "string"}}, {{"type", "array"}}}}};
    case ParamType::object:
      return {{"type", "object"}};
    case ParamType::array:
      return {{"type", "array"}};
    case ParamType::any:
      break;
  }
  return Json::object();
}

Json heed_schema() {
  const auto tokens = [](const char* about, int least, int otherwise) {
    return Json{
        {"type", "integer"}, {"minimum", least}, {"maximum", 1 << 24}, {"default", otherwise}, {"description", about}};
  };
  const AttentionPolicy usual;
  Json attention = {{"type", "object"}, {"description", "Lossy unless full; the answer names it in heed.attention."}};
  attention["properties"] = {
      {"policy", {{"type", "string"}, {"enum", {"full", "window", "topk_pages", "big_bird"}}, {"default", "full"}}},
      {"window", tokens("last tokens that stay visible", 64, usual.window)},
      {"sinks", tokens("first tokens that stay visible", 0, usual.sinks)},
      {"budget", tokens("tokens in chosen (topk_pages) or drawn (big_bird) pages of 64", 64, usual.budget)}};
  return {
      {"type", "object"},
      {"properties",
       {{"attention", std::move(attention)},
        {"speculation",
         {{"type", "string"},
          {"enum", {"auto", "off"}},
          {"default", "auto"},
          {"description", "Guessing tokens that the text repeats; changes the speed of an answer, never its text."}}},
        {"deadline_ms", {{"type", "integer"}, {"minimum", 1}, {"maximum", 86'400'000}}},
        {"priority", {{"type", "integer"}, {"minimum", -100}, {"maximum", 100}}}}}};
}

Json row_schema(const ParamRow& row) { return row.name == "heed" ? heed_schema() : schema_of(row); }

Json request_schema(Endpoint endpoint, const char* required) {
  Json properties = Json::object();
  for (const ParamRow& row : parameter_table()) {
    if ((row.endpoints & endpoint) == 0) continue;
    Json schema = row_schema(row);
    schema["description"] =
        row.apply == nullptr ? "Not supported yet: " + std::string(row.about) : std::string(row.about);
    properties[std::string(row.name)] = std::move(schema);
  }
  return {{"type", "object"}, {"required", Json::array({required})}, {"properties", std::move(properties)}};
}

const ParamRow* chat_row(std::string_view name) {
  for (const ParamRow& row : parameter_table()) {
    if ((row.endpoints & kChatEndpoint) != 0 && row.name == name) return &row;
  }
  return nullptr;
}

Json message_schema() {
  return {{"type", "object"},
          {"required", Json::array({"role"})},
          {"properties",
           {{"role", {{"type", "string"}, {"enum", {"system", "developer", "user", "assistant", "tool"}}}},
            {"content", {{"anyOf", {{{"type", "string"}}, {{"type", "array"}}, {{"type", "null"}}}}}}}}};
}

Json error_schema() {
  const Json text = {{"type", "string"}}, text_or_null = {{"type", Json::array({"string", "null"})}};
  return {{"type", "object"},
          {"required", Json::array({"error"})},
          {"properties",
           {{"error",
             {{"type", "object"},
              {"required", Json::array({"message", "type", "param", "code"})},
              {"properties", {{"message", text}, {"type", text}, {"param", text_or_null}, {"code", text_or_null}}}}}}}};
}

Json anthropic_error_schema() {
  const Json text = {{"type", "string"}};
  const Json inner = {{"type", "object"},
                      {"required", Json::array({"type", "message"})},
                      {"properties", {{"type", text}, {"message", text}}}};
  return {{"type", "object"},
          {"required", Json::array({"type", "error"})},
          {"properties", {{"type", {{"const", "error"}}}, {"error", inner}}}};
}

constexpr std::pair<std::string_view, std::string_view> kBodies[] = {
    {"/chat/completions", "ChatRequest"}, {"/completions", "CompletionRequest"},
    {"/embeddings", "EmbeddingRequest"},  {"/conversations/{}", "Conversation"},
    {"/messages", "MessagesRequest"},     {"/messages/count_tokens", "CountTokensRequest"},
};

Json operation(const Route& route) {
  const char* shape =
      is_anthropic_path(route.pattern) ? "#/components/schemas/AnthropicError" : "#/components/schemas/Error";
  const Json error = {{"description", "The error object"},
                      {"content", {{"application/json", {{"schema", {{"$ref", shape}}}}}}}};
  Json made = {{"responses", {{"200", {{"description", "OK"}}}, {"4XX", error}, {"5XX", error}}}};
  if (route.access == Access::open) made["security"] = Json::array();
  if (route.pattern.find("{}") != std::string::npos) {
    made["parameters"] =
        Json::array({{{"name", "id"}, {"in", "path"}, {"required", true}, {"schema", {{"type", "string"}}}}});
  }
  if (route.method != "POST" && route.method != "PUT") return made;
  Json schema = {{"type", "object"}};
  for (const auto& [pattern, name] : kBodies) {
    if (route.pattern == pattern) schema = {{"$ref", "#/components/schemas/" + std::string(name)}};
  }
  made["requestBody"] = {{"required", true}, {"content", {{"application/json", {{"schema", schema}}}}}};
  return made;
}

// What the page makes of it besides is the page's; the server keeps it as it came.
Json conversation_schema() {
  return {{"type", "object"},
          {"required", Json::array({"id"})},
          {"properties", {{"id", {{"type", "string"}, {"pattern", "^[A-Za-z0-9_-]{1,64}$"}}}}}};
}

std::string documented_path(const Route& route) {
  std::string path = "/v1" + route.pattern;
  if (const std::size_t at = path.find("{}"); at != std::string::npos) path.replace(at, 2, "{id}");
  return path;
}

}  // namespace

Json dialect_schema(std::span<const DialectField> fields, Json required) {
  Json properties = Json::object();
  for (const DialectField& field : fields) {
    const ParamRow* row = chat_row(field.parameter);
    Json schema = field.schema.empty() && row != nullptr ? row_schema(*row) : Json::parse(field.schema);
    const std::string about(field.about.empty() && row != nullptr ? row->about : field.about);
    schema["description"] = field.allows == nullptr ? about : "Not supported yet: " + about;
    properties[std::string(field.name)] = std::move(schema);
  }
  return {{"type", "object"}, {"required", std::move(required)}, {"properties", std::move(properties)}};
}

std::string openapi_document(const Router& router, const std::string& version) {
  Json paths = Json::object();
  for (const Route& route : router.routes()) {
    std::string method = route.method;
    for (char& c : method) c = static_cast<char>(c + ('a' - 'A'));
    paths[documented_path(route)][method] = operation(route);
  }
  Json document = {{"openapi", "3.1.0"},
                   {"info",
                    {{"title", "heed"},
                     {"version", version},
                     {"description", "Every path stands with and without /v1. Unknown fields are ignored."}}},
                   {"security", Json::array({{{"bearer", Json::array()}}})},
                   {"paths", std::move(paths)}};
  document["components"]["securitySchemes"]["bearer"] = {{"type", "http"}, {"scheme", "bearer"}};
  Json& schemas = document["components"]["schemas"];
  schemas["ChatRequest"] = request_schema(kChatEndpoint, "messages");
  schemas["CompletionRequest"] = request_schema(kCompletionEndpoint, "prompt");
  schemas["EmbeddingRequest"] = request_schema(kEmbeddingEndpoint, "input");
  schemas["MessagesRequest"] = dialect_schema(anthropic_fields(), Json::array({"max_tokens", "messages"}));
  schemas["CountTokensRequest"] = dialect_schema(anthropic_fields(), Json::array({"messages"}));
  schemas["Conversation"] = conversation_schema();
  schemas["Message"] = message_schema();
  schemas["Error"] = error_schema();
  schemas["AnthropicError"] = anthropic_error_schema();
  return document.dump(1);
}

}  // namespace heed
