// openapi.cc -- the interface described by what parses it.
#include "serve/dialect.h"
#include "serve/service.h"

namespace heed {
namespace {

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

Json request_schema(Endpoint endpoint, const char* required) {
  Json properties = Json::object();
  for (const ParamRow& row : parameter_table()) {
    if ((row.endpoints & endpoint) == 0) continue;
    Json schema = row.name == "heed" ? heed_schema() : field_schema(row);
    schema["description"] =
        row.apply == nullptr ? "Not supported yet: " + std::string(row.about) : std::string(row.about);
    properties[std::string(row.name)] = std::move(schema);
  }
  return {{"type", "object"}, {"required", Json::array({required})}, {"properties", std::move(properties)}};
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

Json operation(const Route& route) {
  Json shape = {{"$ref", "#/components/schemas/Error"}};
  if (route.refuse != to_response) shape = {{"type", "object"}, {"required", Json::array({"error"})}};  // its API's own
  const Json error = {{"description", "The error object"},
                      {"content", {{"application/json", {{"schema", std::move(shape)}}}}}};
  Json made = {{"responses", {{"200", {{"description", "OK"}}}, {"4XX", error}, {"5XX", error}}}};
  if (route.access == Access::open) made["security"] = Json::array();
  if (route.pattern.find("{}") != std::string::npos) {
    made["parameters"] =
        Json::array({{{"name", "id"}, {"in", "path"}, {"required", true}, {"schema", {{"type", "string"}}}}});
  }
  if (route.method != "POST" && route.method != "PUT") return made;
  Json schema = {{"type", "object"}};
  if (route.pattern == "/chat/completions") schema = {{"$ref", "#/components/schemas/ChatRequest"}};
  if (route.pattern == "/completions") schema = {{"$ref", "#/components/schemas/CompletionRequest"}};
  if (route.pattern == "/embeddings") schema = {{"$ref", "#/components/schemas/EmbeddingRequest"}};
  if (route.shape != nullptr) schema = {{"$ref", "#/components/schemas/" + std::string(route.shape->name)}};
  if (route.pattern == "/conversations/{}") schema = {{"$ref", "#/components/schemas/Conversation"}};
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

Json field_schema(const ParamRow& row) {
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
  for (const Route& route : router.routes()) {
    if (route.shape != nullptr) schemas[std::string(route.shape->name)] = dialect_schema(*route.shape);
  }
  schemas["Conversation"] = conversation_schema();
  schemas["Message"] = message_schema();
  schemas["Error"] = error_schema();
  return document.dump(1);
}

}  // namespace heed
