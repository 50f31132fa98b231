// params.cc -- types, ranges and what belongs together.
#include "serve/params.h"

#include <cmath>

namespace heed {
namespace {

constexpr std::int32_t kMaxDepth = 96;
constexpr std::int32_t kCompletionMaxTokens = 16;  // OpenAI's default of /v1/completions

std::string number_text(double value) {
  std::string text = Json(value).dump();
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text;
}

std::string expectation(const ParamRow& row) {
  switch (row.type) {
    case ParamType::number:
      return "a number in [" + number_text(row.low) + ", " + number_text(row.high) + "]";
    case ParamType::integer:
      return "an integer in [" + number_text(row.low) + ", " + number_text(row.high) + "]";
    case ParamType::boolean:
      return "true or false";
    case ParamType::string:
      return "a string";
    case ParamType::stop:
      return "a string or an array of at most 16 strings";
    case ParamType::bias:
      return "an object of token ids and numbers in [-100, 100]";
    case ParamType::messages:
      return "an array of messages";
    case ParamType::prompt:
      return "a string, an array of strings, of token ids or of arrays of token ids";
    case ParamType::object:
      return "an object";
    case ParamType::array:
      return "an array";
    case ParamType::any:
      break;
  }
  return "a value";
}

bool has_type(ParamType type, const Json& value) {
  switch (type) {
    case ParamType::number:
      return value.is_number();
    case ParamType::integer: {
      if (value.is_number_integer()) return true;
      return value.is_number_float() && std::trunc(value.get<double>()) == value.get<double>();
    }
    case ParamType::boolean:
      return value.is_boolean();
    case ParamType::string:
      return value.is_string();
    case ParamType::stop:
    case ParamType::prompt:
      return value.is_string() || value.is_array();
    case ParamType::bias:
    case ParamType::object:
      return value.is_object();
    case ParamType::messages:
    case ParamType::array:
      return value.is_array();
    case ParamType::any:
      return true;
  }
  return false;
}

std::optional<ApiError> apply_row(const ParamRow& row, const Json& value, GenerationParams& out) {
  const std::string name(row.name);
  if (row.apply == nullptr) {
    if (row.allows != nullptr && row.allows(value)) return std::nullopt;
    return not_supported_yet(name, std::string(row.about));
  }
  if (auto error = check_type(row, name, value)) return error;
  if (row.type == ParamType::number || row.type == ParamType::integer) {
    const double number = value.get<double>();
    const bool is_inside = number >= row.low && number <= row.high;
    if (!is_inside) return invalid_value(name, "expected " + expectation(row) + ", got " + describe(value));
  }
  return row.apply(out, value);
}

std::optional<ApiError> check_chat(GenerationParams& params) {
  if (params.messages.is_null())
    return ApiError{.message = "messages: required", .param = "messages", .code = "missing_required_parameter"};
  if (params.top_logprobs >= 0 && !params.wants_logprobs) {
    return invalid_value("top_logprobs", "needs logprobs: true beside it");
  }
  if (params.wants_logprobs) params.sampling.top_logprobs = std::max(params.top_logprobs, 0);
  return std::nullopt;
}

std::optional<ApiError> check_completion(GenerationParams& params) {
  if (params.prompt.is_null())
    return ApiError{.message = "prompt: required", .param = "prompt", .code = "missing_required_parameter"};
  if (params.max_tokens < 0) params.max_tokens = kCompletionMaxTokens;
  if (params.best_of >= 0 && params.best_of != params.n) {
    return not_supported_yet("best_of", "only best_of equal to n is supported");
  }
  if (params.suffix && params.echo) return invalid_value("echo", "cannot go with suffix");
  return std::nullopt;
}

std::optional<ApiError> check_embedding(const GenerationParams& params) {
  if (!params.input.is_null()) return std::nullopt;
  return ApiError{.message = "input: required", .param = "input", .code = "missing_required_parameter"};
}

}  // namespace

std::string describe(const Json& value) {
  if (value.is_null()) return "null";
  if (value.is_array()) return "an array";
  if (value.is_object()) return "an object";
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  constexpr std::size_t kShown = 40;
  if (text.size() > kShown) return value.is_string() ? "a string" : "a number";
  return text;
}

std::optional<ApiError> parse_body(std::string_view body, Json& out) {
  std::int32_t depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < body.size(); ++i) {
    const char c = body[i];
    if (in_string) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        in_string = false;
      continue;
    }
    if (c == '"') in_string = true;
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    if (depth > kMaxDepth) return invalid_value("", "the body: JSON nested deeper than 96 levels");
  }
  try {
    out = Json::parse(body);
  } catch (const Json::exception& error) {
    std::string text = error.what();
    if (const std::size_t end = text.find("] "); end != std::string::npos) text.erase(0, end + 2);
    return ApiError{.message = "the body is not JSON: " + text, .code = "invalid_json"};
  }
  if (!out.is_object())
    return ApiError{.message = "the body: expected a JSON object, got " + describe(out), .code = "invalid_json"};
  return std::nullopt;
}

std::optional<ApiError> check_type(const ParamRow& row, const std::string& name, const Json& value) {
  if (has_type(row.type, value)) return std::nullopt;
  return invalid_type(name, expectation(row), describe(value));
}

std::optional<ApiError> parse_params(const Json& body, Endpoint endpoint, GenerationParams& out) {
  for (const ParamRow& row : parameter_table()) {
    if ((row.endpoints & endpoint) == 0) continue;
    const auto found = body.find(row.name);
    if (found == body.end() || found->is_null()) continue;
    if (auto error = apply_row(row, *found, out)) return error;
  }
  if (out.model.empty() && body.contains("model") && !body["model"].is_null()) {
    return invalid_value("model", "expected a model's name, got an empty string");
  }
  const std::int64_t max_tokens =
      out.max_completion_tokens_given >= 0 ? out.max_completion_tokens_given : out.max_tokens_given;
  if (max_tokens >= 0) out.max_tokens = static_cast<std::int32_t>(max_tokens);
  if (endpoint == kEmbeddingEndpoint) return check_embedding(out);
  return endpoint == kChatEndpoint ? check_chat(out) : check_completion(out);
}

}  // namespace heed
