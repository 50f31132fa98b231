// anthropic.h -- the Anthropic Messages API over the chat's generation: /v1/messages and /v1/messages/count_tokens.
#pragma once
#include <memory>
#include <optional>
#include <string_view>

#include "serve/answer.h"
#include "serve/dialect.h"
#include "serve/generation.h"
#include "serve/router.h"

namespace heed {

enum class AnthropicUse : unsigned char { create, count };  // counting needs no max_tokens
const DialectShape& anthropic_shape(AnthropicUse use) noexcept;

std::optional<ApiError> parse_anthropic(const Json& body, AnthropicUse use, GenerationParams& out);

/// `system` and `messages` as a chat's messages: text blocks joined, turns of one role merged, tool_use as tool_calls,
/// tool_result as messages of role tool. Errors name the block.
std::optional<ApiError> anthropic_messages(const Json& body, Json& out);

/// A last message of the assistant is one to go on in.
std::optional<ApiError> anthropic_tokens(LoadedModel& model, const GenerationParams& params, PromptTokens& out);

std::unique_ptr<AnswerFormat> anthropic_format();

/// {"type":"error","error":{"type","message"}}
std::string anthropic_json(const ApiError& error);
HttpResponse anthropic_response(const ApiError& error);
/// Whether a request there is one of this API's, and is refused in its words.
bool is_anthropic_path(std::string_view path) noexcept;

void add_anthropic_routes(Router& router, GenerationContext context);

}  // namespace heed
