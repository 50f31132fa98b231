// anthropic_answer.cc -- a message, whole or as its events, and the error object.
#include "serve/anthropic.h"
#include "serve/json_out.h"
#include "serve/sse.h"

namespace heed {
namespace {

const char* stop_reason(const Answer& answer, const Choice& choice) {
  if (choice.finish == FinishReason::stop) return choice.usage.stop_index >= 0 ? "stop_sequence" : "end_turn";
  const bool is_context_full =
      choice.finish == FinishReason::length &&
      (answer.params.max_tokens < 0 || choice.usage.completion_tokens < answer.params.max_tokens);
  return is_context_full ? "model_context_window_exceeded" : "max_tokens";
}

void append_stop(JsonOut& out, const Answer& answer, const Choice& choice) {
  out.member("stop_reason", stop_reason(answer, choice)).key("stop_sequence");
  const auto index = static_cast<std::size_t>(choice.usage.stop_index);
  if (choice.usage.stop_index >= 0 && index < answer.params.stop.size())
    out.value(answer.params.stop[index]);
  else
    out.null();
}

// A prompt is what was read anew and what was known: the API counts them apart. Nothing is billed for being kept.
void append_message_usage(JsonOut& out, const Choice& choice) {
  out.key("usage").open_object().member("input_tokens", choice.usage.prompt_tokens - choice.usage.cached_tokens);
  out.member("cache_creation_input_tokens", 0).member("cache_read_input_tokens", choice.usage.cached_tokens);
  out.member("output_tokens", choice.usage.completion_tokens).close_object();
}

void append_message_head(JsonOut& out, const Answer& answer) {
  out.member("id", answer.id).member("type", "message").member("role", "assistant").member("model", answer.model);
}

class AnthropicFormat final : public AnswerFormat {
 public:
  const char* id_prefix() const noexcept override { return "msg_"; }
  const char* input_field() const noexcept override { return "messages"; }

  std::optional<ApiError> tokenize(LoadedModel& model, const GenerationParams& params,
                                   std::vector<PromptTokens>& out) const override {
    out.resize(1);
    return anthropic_tokens(model, params, out[0]);
  }

  std::string first_chunk(const Answer& answer, Choice& choice, std::size_t) const override {
    JsonOut start;
    start.open_object().member("type", "message_start").key("message").open_object();
    append_message_head(start, answer);
    start.key("content").open_array().close_array().key("stop_reason").null().key("stop_sequence").null();
    // How much of the prompt was known is told at the end.
    start.key("usage").open_object().member("input_tokens", answer.prompts[choice.prompt].tokens.size());
    start.key("cache_creation_input_tokens").null().key("cache_read_input_tokens").null().member("output_tokens", 0);
    start.close_object().close_object().close_object();
    JsonOut block;
    block.open_object().member("type", "content_block_start").member("index", 0).key("content_block");
    block.open_object().member("type", "text").member("text", "").close_object().close_object();
    return sse_event("message_start", start.text()) + sse_event("content_block_start", block.text());
  }

  std::string delta_chunk(const Answer&, Choice&, std::size_t, const Delta& delta) const override {
    JsonOut out;
    out.open_object().member("type", "content_block_delta").member("index", 0).key("delta").open_object();
    out.member("type", "text_delta").member("text", delta.text).close_object().close_object();
    return sse_event("content_block_delta", out.text());
  }

  std::string finish_chunk(const Answer& answer, const Choice& choice, std::size_t) const override {
    JsonOut block;
    block.open_object().member("type", "content_block_stop").member("index", 0).close_object();
    JsonOut out;
    out.open_object().member("type", "message_delta").key("delta").open_object();
    append_stop(out, answer, choice);
    out.close_object();
    append_message_usage(out, choice);
    append_timings(out, answer);
    return sse_event("content_block_stop", block.text()) + sse_event("message_delta", out.close_object().text());
  }

  std::string stream_end(const Answer&) const override {
    return sse_event("message_stop", R"({"type":"message_stop"})");
  }
  std::string stream_error(const ApiError& error) const override { return sse_event("error", anthropic_json(error)); }
  // A ping is all that clients expect here; the text is for those who look.
  std::string comment(const std::string& text) const override {
    return ": " + text + "\n" + sse_event("ping", R"({"type":"ping"})");
  }
  HttpResponse error_response(const ApiError& error) const override { return anthropic_response(error); }

  std::string whole(Answer& answer) const override {
    const Choice& choice = answer.choices[0];
    JsonOut out;
    out.open_object();
    append_message_head(out, answer);
    out.key("content").open_array().open_object().member("type", "text").member("text", choice.text);
    out.close_object().close_array();
    append_stop(out, answer, choice);
    append_message_usage(out, choice);
    append_timings(out, answer);
    return out.close_object().take();
  }
};

const char* anthropic_error_type(std::int32_t status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 413:
      return "request_too_large";
    case 429:
      return "rate_limit_error";
    case 503:
      return "overloaded_error";
    default:
      return status >= 500 ? "api_error" : "invalid_request_error";
  }
}

}  // namespace

std::unique_ptr<AnswerFormat> anthropic_format() { return std::make_unique<AnthropicFormat>(); }

std::string anthropic_json(const ApiError& error) {
  JsonOut out;
  out.open_object().member("type", "error").key("error").open_object();
  out.member("type", anthropic_error_type(error.status)).member("message", error.message);
  return out.close_object().close_object().take();
}

HttpResponse anthropic_response(const ApiError& error) {
  HttpResponse response = to_response(error);
  response.body = anthropic_json(error);
  return response;
}

bool is_anthropic_path(std::string_view path) noexcept {
  if (path.starts_with("/v1/")) path.remove_prefix(3);
  return path == "/messages" || path.starts_with("/messages/");
}

}  // namespace heed
