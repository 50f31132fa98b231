// llama_format.cc -- answers as llama.cpp's server gives them.
#include "serve/llama_format.h"

#include <algorithm>
#include <array>

#include "serve/json_out.h"
#include "serve/sse.h"

namespace heed {
namespace {

const char* llama_error_type(const ApiError& error) {
  if (error.code == "context_length_exceeded") return "exceed_context_size_error";
  if (error.code == "not_supported_yet" || error.code == "unsupported_by_model") return "not_supported_error";
  switch (error.status) {
    case 400:
      return "invalid_request_error";
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 429:
    case 503:
      return "unavailable_error";
    default:
      return "server_error";
  }
}

std::string llama_error_json(const ApiError& error) {
  JsonOut out;
  out.open_object().key("error").open_object().member("code", error.status).member("message", named_message(error));
  return out.member("type", llama_error_type(error)).close_object().close_object().take();
}

void append_llama_token(JsonOut& out, const Tokenizer& tokenizer, std::int32_t token, float logprob) {
  const std::string bytes = tokenizer.token_bytes(token, true);
  out.member("id", token).member("token", bytes).key("bytes").open_array();
  for (const char c : bytes) out.value(static_cast<int>(static_cast<unsigned char>(c)));
  out.close_array().member("logprob", logprob);
}

void append_llama_probabilities(JsonOut& out, const Answer& answer, const std::vector<SampledToken>& tokens) {
  if (answer.params.sampling.top_logprobs < 0) return;
  out.key("completion_probabilities").open_array();
  for (const SampledToken& token : tokens) {
    out.open_object();
    append_llama_token(out, *answer.tokenizer, token.token, token.logprob);
    out.key("top_logprobs").open_array();
    for (const TokenLogprob& other : token.top) {
      out.open_object();
      append_llama_token(out, *answer.tokenizer, other.token, other.logprob);
      out.close_object();
    }
    out.close_array().close_object();
  }
  out.close_array();
}

void append_ids(JsonOut& out, bool are_wanted, const std::vector<SampledToken>& tokens) {
  out.key("tokens").open_array();
  for (const SampledToken& token : tokens) {
    if (are_wanted) out.value(token.token);
  }
  out.close_array();
}

void append_rate(JsonOut& out, const std::string& what, std::int32_t tokens, double milliseconds) {
  out.member(what + "_n", tokens).member(what + "_ms", milliseconds);
  out.member(what + "_per_token_ms", tokens > 0 ? milliseconds / tokens : 0.0);
  out.member(what + "_per_second", milliseconds > 0 ? tokens * 1000.0 / milliseconds : 0.0);
}

void append_llama_timings(JsonOut& out, const Usage& usage) {
  out.key("timings").open_object().member("cache_n", usage.cached_tokens);
  append_rate(out, "prompt", usage.prompt_tokens - usage.cached_tokens, usage.prefill_ms);
  append_rate(out, "predicted", usage.completion_tokens, usage.decode_ms);
  out.close_object();
}

class LlamaFormat : public AnswerFormat {
 public:
  const char* id_prefix() const noexcept override { return "cmpl-"; }
  const char* input_field() const noexcept override { return "prompt"; }

  std::optional<ApiError> tokenize(LoadedModel& model, const GenerationParams& params,
                                   std::vector<PromptTokens>& out) const override {
    return completion_tokens(model.model().tokenizer(), params, out);
  }

  std::string first_chunk(const Answer&, Choice&, std::size_t) const override { return {}; }

  std::string delta_chunk(const Answer& answer, Choice&, std::size_t index, const Delta& delta) const override {
    JsonOut out;
    out.open_object().member("index", index).member("content", delta.text);
    append_ids(out, answer.params.returns_tokens, delta.tokens);
    append_llama_probabilities(out, answer, delta.tokens);
    return sse_data(out.member("stop", false).close_object().take());
  }

  std::string finish_chunk(const Answer& answer, const Choice& choice, std::size_t index) const override {
    JsonOut out;
    append_final(out, answer, choice, index);
    return sse_data(out.take());
  }

  std::string stream_end(const Answer&) const override { return {}; }
  std::string stream_error(const ApiError& error) const override { return sse_data(llama_error_json(error)); }
  HttpResponse error_response(const ApiError& error) const override { return llama_error(error); }

  // Several prompts or answers: an array of them.
  std::string whole(Answer& answer) const override {
    JsonOut out;
    const bool is_one = answer.choices.size() == 1;
    if (!is_one) out.open_array();
    for (std::size_t i = 0; i < answer.choices.size(); ++i) append_final(out, answer, answer.choices[i], i);
    if (!is_one) out.close_array();
    return out.take();
  }

 private:
  static void append_final(JsonOut& out, const Answer& answer, const Choice& choice, std::size_t index) {
    const Usage& usage = choice.usage;
    const bool is_word = choice.finish == FinishReason::stop && usage.stop_index >= 0;
    out.open_object().member("index", index).member("content", choice.text);
    append_ids(out, answer.params.returns_tokens, choice.tokens);
    if (!answer.params.stream) append_llama_probabilities(out, answer, choice.tokens);
    out.member("stop", true).member("model", answer.model);
    out.member("tokens_predicted", usage.completion_tokens).member("tokens_evaluated", usage.prompt_tokens);
    out.key("generation_settings").open_object().member("n_ctx", answer.context).member("model", answer.model);
    append_llama_settings(out, answer.params);
    out.close_object().member("prompt", answer.prompts[choice.prompt].text).member("truncated", false);
    out.member("stop_type", is_word ? "word" : choice.finish == FinishReason::stop ? "eos" : "limit");
    out.member("stopping_word", is_word ? answer.params.stop[static_cast<std::size_t>(usage.stop_index)] : "");
    out.member("tokens_cached", usage.cached_tokens);
    append_llama_timings(out, usage);
    append_attention_notice(out, answer);
    out.close_object();
  }
};

// What models of code write between the files of a repository (Qwen2.5-Coder, StarCoder 2).
constexpr std::array kFileMarks = {"<|file_sep|>", "<file_sep>", "<|file_separator|>"};

std::int32_t file_mark(const Tokenizer& tokenizer) {
  for (const char* spelled : kFileMarks) {
    const std::int32_t token = tokenizer.find(spelled);
    if (token >= 0 && tokenizer.kind(token) != TokenKind::normal) return token;
  }
  return -1;
}

class InfillFormat final : public LlamaFormat {
 public:
  explicit InfillFormat(Infill asked) : asked_(std::move(asked)) {}
  const char* input_field() const noexcept override { return "input_prefix"; }

  std::optional<ApiError> tokenize(LoadedModel& model, const GenerationParams&,
                                   std::vector<PromptTokens>& out) const override {
    const Tokenizer& tokenizer = model.model().tokenizer();
    PromptTokens& made = out.emplace_back();
    if (auto error = fim_tokens(tokenizer, extra_tokens(tokenizer), asked_.prefix, asked_.suffix, made)) {
      error->message.replace(0, error->param.size(), "input_suffix");
      error->param = "input_suffix";
      return error;
    }
    append(tokenizer, asked_.prompt, made.tokens);
    made.goes_on = !asked_.prompt.empty();
    made.text = tokenizer.decode(made.tokens, true);
    return std::nullopt;
  }

 private:
  static void append(const Tokenizer& tokenizer, const std::string& text, std::vector<std::int32_t>& out) {
    const auto tokens = tokenizer.encode(text, false, {.add_bos = false, .add_eos = false});
    out.insert(out.end(), tokens.begin(), tokens.end());
  }

  // Each file behind a mark and its name, where the model knows that form; else text ahead of the prefix.
  std::vector<std::int32_t> extra_tokens(const Tokenizer& tokenizer) const {
    std::vector<std::int32_t> out;
    const std::int32_t mark = file_mark(tokenizer);
    for (const InfillFile& file : asked_.extra) {
      if (mark >= 0) out.push_back(mark);
      append(tokenizer, (mark >= 0 ? file.name + "\n" : std::string()) + file.text + "\n", out);
    }
    if (mark >= 0 && !out.empty()) out.push_back(mark);
    return out;
  }

  Infill asked_;
};

}  // namespace

std::unique_ptr<AnswerFormat> llama_format() { return std::make_unique<LlamaFormat>(); }
std::unique_ptr<AnswerFormat> infill_format(Infill asked) { return std::make_unique<InfillFormat>(std::move(asked)); }

HttpResponse llama_error(const ApiError& error) {
  HttpResponse response = to_response(error);
  response.body = llama_error_json(error);
  return response;
}

void append_llama_settings(JsonOut& out, const GenerationParams& params) {
  const SamplingParams& s = params.sampling;
  out.member("n_predict", params.max_tokens).member("seed", s.seed).member("temperature", s.temperature);
  out.member("top_k", s.top_k).member("top_p", s.top_p).member("min_p", s.min_p);
  out.member("repeat_penalty", s.repetition_penalty).member("presence_penalty", s.presence_penalty);
  out.member("frequency_penalty", s.frequency_penalty).key("stop").open_array();
  for (const std::string& text : params.stop) out.value(text);
  out.close_array().member("ignore_eos", params.ignore_end).member("stream", params.stream);
  out.member("n_probs", std::max(s.top_logprobs, 0));
}

}  // namespace heed
