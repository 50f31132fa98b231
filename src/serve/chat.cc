// chat.cc -- /v1/chat/completions: its chunks and its whole answer, also those of /v1/fim/completions.
#include "serve/answer.h"
#include "serve/json_out.h"
#include "serve/sse.h"

namespace heed {
namespace {

void append_token(JsonOut& out, const Tokenizer& tokenizer, std::int32_t token, float logprob) {
  const std::string bytes = tokenizer.token_bytes(token, true);
  out.member("token", bytes).member("logprob", logprob).key("bytes").open_array();
  for (const char c : bytes) out.value(static_cast<int>(static_cast<unsigned char>(c)));
  out.close_array();
}

void append_logprobs(JsonOut& out, const Answer& answer, const std::vector<SampledToken>& tokens) {
  out.key("logprobs");
  if (!answer.params.wants_logprobs) {
    out.null();
    return;
  }
  out.open_object().key("content").open_array();
  for (const SampledToken& token : tokens) {
    out.open_object();
    append_token(out, *answer.tokenizer, token.token, token.logprob);
    out.key("top_logprobs").open_array();
    for (const TokenLogprob& other : token.top) {
      out.open_object();
      append_token(out, *answer.tokenizer, other.token, other.logprob);
      out.close_object();
    }
    out.close_array().close_object();
  }
  out.close_array().key("refusal").null().close_object();
}

class ChatFormat : public AnswerFormat {
 public:
  const char* id_prefix() const noexcept override { return "chatcmpl-"; }
  const char* input_field() const noexcept override { return "messages"; }

  std::optional<ApiError> tokenize(LoadedModel& model, const GenerationParams& params,
                                   std::vector<PromptTokens>& out) const override {
    out.resize(1);
    return chat_tokens(model, params.messages, out[0]);
  }

  std::string first_chunk(const Answer& answer, Choice&, std::size_t index) const override {
    JsonOut out = begin_chunk(answer, index);
    out.member("role", "assistant").member("content", "").close_object();
    return end_chunk(out, answer, {}, nullptr);
  }

  std::string delta_chunk(const Answer& answer, Choice&, std::size_t index, const Delta& delta) const override {
    JsonOut out = begin_chunk(answer, index);
    out.member("content", delta.text).close_object();
    return end_chunk(out, answer, delta.tokens, nullptr);
  }

  std::string finish_chunk(const Answer& answer, const Choice& choice, std::size_t index) const override {
    JsonOut out = begin_chunk(answer, index);
    out.close_object().key("logprobs").null();
    out.member("finish_reason", finish_text(*choice.finish)).close_object().close_array();
    append_attention_notice(out, answer);
    return close_document(out, answer);
  }

  std::string stream_end(const Answer& answer) const override {
    std::string done = sse_data("[DONE]");
    if (!answer.params.include_usage) return done;
    JsonOut out;
    append_header(out, answer, "chat.completion.chunk");
    out.key("choices").open_array().close_array();
    append_usage(out, answer);
    return sse_data(out.close_object().take()) + done;
  }

  std::string whole(Answer& answer) const override {
    JsonOut out;
    append_header(out, answer, "chat.completion");
    out.key("choices").open_array();
    for (std::size_t i = 0; i < answer.choices.size(); ++i) {
      const Choice& choice = answer.choices[i];
      out.open_object().member("index", i).key("message").open_object();
      out.member("role", "assistant").member("content", choice.text).key("refusal").null().close_object();
      append_logprobs(out, answer, choice.tokens);
      out.member("finish_reason", finish_text(*choice.finish)).close_object();
    }
    out.close_array();
    append_usage(out, answer);
    return out.close_object().take();
  }

 private:
  static JsonOut begin_chunk(const Answer& answer, std::size_t index) {
    JsonOut out;
    append_header(out, answer, "chat.completion.chunk");
    out.key("choices").open_array().open_object().member("index", index).key("delta").open_object();
    return out;
  }

  static std::string end_chunk(JsonOut& out, const Answer& answer, const std::vector<SampledToken>& tokens,
                               const char* finish) {
    if (tokens.empty())
      out.key("logprobs").null();
    else
      append_logprobs(out, answer, tokens);
    out.key("finish_reason");
    if (finish == nullptr)
      out.null();
    else
      out.value(finish);
    return close_chunk(out, answer);
  }

  static std::string close_chunk(JsonOut& out, const Answer& answer) {
    out.close_object().close_array();
    return close_document(out, answer);
  }

  static std::string close_document(JsonOut& out, const Answer& answer) {
    if (answer.params.include_usage) out.key("usage").null();
    return sse_data(out.close_object().take());
  }
};

/// Mistral's /v1/fim/completions: a completion's prompt, a chat's answer.
class FimFormat final : public ChatFormat {
 public:
  const char* id_prefix() const noexcept override { return "fim-"; }
  const char* input_field() const noexcept override { return "prompt"; }

  std::optional<ApiError> tokenize(LoadedModel& model, const GenerationParams& params,
                                   std::vector<PromptTokens>& out) const override {
    return completion_tokens(model.model().tokenizer(), params, out);
  }
};

}  // namespace

std::unique_ptr<AnswerFormat> chat_format() { return std::make_unique<ChatFormat>(); }
std::unique_ptr<AnswerFormat> fim_format() { return std::make_unique<FimFormat>(); }

}  // namespace heed
