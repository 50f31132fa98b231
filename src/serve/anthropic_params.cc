// anthropic_params.cc -- the fields of a Messages request.
#include <array>

#include "serve/anthropic.h"

namespace heed {
namespace {

bool is_idle_tool_choice(const Json& v) {
  return v.is_object() && v.contains("type") && (v["type"] == "none" || v["type"] == "auto");
}
bool is_no_thinking(const Json& v) { return v.is_object() && v.contains("type") && v["type"] == "disabled"; }

using T = ParamType;
constexpr std::array kFields = {
    DialectField{"model", "model"},
    DialectField{"max_tokens", "max_tokens"},
    DialectField{"messages", "", T::messages,
                 "Turns of text, tool_use and tool_result blocks; an answer goes on in a last one of the assistant."},
    DialectField{"system", "", T::any, "What goes before the conversation: a string or text blocks."},
    DialectField{"stop_sequences", "stop"},
    DialectField{"temperature", "temperature"},
    DialectField{"top_p", "top_p"},
    DialectField{"top_k", "top_k"},
    DialectField{"stream", "stream"},
    DialectField{"metadata", "", T::object, "Accepted; names nobody here."},
    DialectField{"seed", "seed"},
    DialectField{"heed", "heed"},
    DialectField{"tools", "", T::array, "tools are not supported yet", is_empty_value},
    DialectField{"tool_choice", "", T::object, "only none and auto are supported yet", is_idle_tool_choice},
    DialectField{"thinking", "", T::object, "only {\"type\": \"disabled\"} is supported yet", is_no_thinking},
    DialectField{"output_config", "", T::object, "formats and efforts are not supported yet", is_empty_value},
    DialectField{"mcp_servers", "", T::array, "servers of tools are not supported yet", is_empty_value},
    DialectField{"context_management", "", T::object, "edits of the context are not supported yet", is_empty_value},
    DialectField{"container", "", T::any, "containers are not supported yet", is_empty_value},
};
constexpr DialectShape kCreate = {"MessagesRequest", kChatEndpoint, kFields, "max_tokens"},
                       kCount = {"CountTokensRequest", kChatEndpoint, kFields, "messages"};

std::optional<ApiError> check_own_fields(const Json& body, AnthropicUse use) {
  const auto max_tokens = body.find("max_tokens");
  const bool has_limit = max_tokens != body.end() && !max_tokens->is_null();
  if (use == AnthropicUse::create && !has_limit)
    return ApiError{.message = "max_tokens: required", .param = "max_tokens", .code = "missing_required_parameter"};
  const auto stops = body.find("stop_sequences");
  if (stops != body.end() && !stops->is_null() && !stops->is_array())
    return invalid_type("stop_sequences", "an array of at most 16 strings", describe(*stops));
  const auto metadata = body.find("metadata");
  if (metadata == body.end() || metadata->is_null()) return std::nullopt;
  if (!metadata->is_object()) return invalid_type("metadata", "an object", describe(*metadata));
  const auto user = metadata->find("user_id");
  if (user == metadata->end() || user->is_null() || user->is_string()) return std::nullopt;
  return invalid_type("metadata.user_id", "a string", describe(*user));
}

}  // namespace

const DialectShape& anthropic_shape(AnthropicUse use) noexcept {
  return use == AnthropicUse::create ? kCreate : kCount;
}

std::optional<ApiError> parse_anthropic(const Json& body, AnthropicUse use, GenerationParams& out) {
  if (auto error = check_own_fields(body, use)) return error;
  Json chat, messages;
  if (auto error = anthropic_messages(body, messages)) return error;
  if (auto error = translate(kCreate, body, chat)) return error;
  chat["messages"] = std::move(messages);
  return parse_translated(kCreate, body, chat, out);
}

}  // namespace heed
