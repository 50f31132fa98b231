// params.h -- the parameters of chat and completion requests as one table: it parses, refuses and documents them.
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "decode/sampler.h"
#include "engine/engine.h"
#include "serve/api_error.h"

namespace heed {

using Json = nlohmann::ordered_json;

/// A parsed request. Defaults where the client says nothing: temperature 1, top_p 1, seed 0 (so that the same request
/// gives the same answer), chat up to the end of the context, completions up to 16 tokens as in OpenAI's API.
struct GenerationParams {
  std::string model;
  Json messages;                      // chat
  Json prompt;                        // completions
  bool trusts_prompt = false;         // it is a whole rendered prompt: control tokens in it are read as such
  std::optional<std::string> suffix;  // completions
  bool stream = false, include_usage = false, echo = false, ignore_end = false;
  bool wants_logprobs = false;  // chat's flag
  bool returns_tokens = false;  // the answer's ids are told
  std::int32_t n = 1, best_of = -1, max_tokens = -1;
  std::int64_t max_tokens_given = -1, max_completion_tokens_given = -1;
  SamplingParams sampling;         // top_logprobs: -1 unless asked for
  std::int32_t top_logprobs = -1;  // as given
  std::vector<std::string> stop;
  AttentionPolicy attention;  // heed.attention
  std::int64_t deadline_ms = 0;
  std::int32_t priority = 0;
  bool speculates = true;                 // heed.speculation
  std::optional<std::string> prediction;  // text that the answer may repeat
  Json input;                             // embeddings
  bool is_base64 = false, truncates = false;
  std::int32_t dimensions = 0;  // 0: all
};

enum class ParamType : unsigned char {
  number,
  integer,
  boolean,
  string,
  stop,
  bias,
  messages,
  prompt,
  object,
  array,
  any
};

enum Endpoint : unsigned { kChatEndpoint = 1, kCompletionEndpoint = 2, kBothEndpoints = 3, kEmbeddingEndpoint = 4 };

struct ParamRow {
  std::string_view name{};
  ParamType type = ParamType::any;
  unsigned endpoints = kBothEndpoints;
  double low = 0, high = 0;  // of numbers and integers
  std::string_view about{};  // for /openapi.json; ends with the default where there is one
  /// Stores a value that has the row's type and range. Without: a field of the contract that has no room yet;
  /// `allows` says which values ask for nothing.
  std::optional<ApiError> (*apply)(GenerationParams& params, const Json& value) = nullptr;
  bool (*allows)(const Json& value) = nullptr;
};

std::span<const ParamRow> parameter_table() noexcept;

/// The body as JSON, at most 96 levels deep, an object.
std::optional<ApiError> parse_body(std::string_view body, Json& out);

/// What /openapi.json says of a field: its type and range.
Json field_schema(const ParamRow& row);

/// Error: `value` is not of that type; it names the field.
std::optional<ApiError> check_type(const ParamRow& row, const std::string& name, const Json& value);

/// Applies the table. The error names the field.
std::optional<ApiError> parse_params(const Json& body, Endpoint endpoint, GenerationParams& out);

/// "a string", "3", "an array", ... for error texts.
std::string describe(const Json& value);

}  // namespace heed
