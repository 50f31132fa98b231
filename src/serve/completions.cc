// completions.cc -- /v1/completions: text, echo, logprobs with offsets, batches.
#include <algorithm>

#include "serve/answer.h"
#include "serve/json_out.h"
#include "serve/sse.h"

namespace heed {
namespace {

std::int64_t count_characters(std::string_view bytes) {
  return std::count_if(bytes.begin(), bytes.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
}

/// The four parallel lists of the completions API.
struct LogprobLists {
  JsonOut tokens, logprobs, tops, offsets;

  LogprobLists() { tokens.open_array(), logprobs.open_array(), tops.open_array(), offsets.open_array(); }

  void add(const Tokenizer& tokenizer, const SampledToken& token, bool is_scored, std::int64_t& characters) {
    const std::string bytes = tokenizer.token_bytes(token.token, true);
    tokens.value(bytes);
    offsets.value(characters);
    characters += count_characters(bytes);
    if (!is_scored) {
      logprobs.null();
      tops.null();
      return;
    }
    logprobs.value(token.logprob);
    add_top(tokenizer, token, bytes);
  }

  void append_to(JsonOut& out) {
    out.key("logprobs").open_object();
    out.key("tokens").raw(tokens.close_array().text()).key("token_logprobs").raw(logprobs.close_array().text());
    out.key("top_logprobs").raw(tops.close_array().text()).key("text_offset").raw(offsets.close_array().text());
    out.close_object();
  }

 private:
  // An object: two ids that spell alike appear once, and the chosen token is always there.
  void add_top(const Tokenizer& tokenizer, const SampledToken& token, const std::string& bytes) {
    std::vector<std::string> seen;
    tops.open_object();
    for (const TokenLogprob& other : token.top) {
      std::string name = tokenizer.token_bytes(other.token, true);
      if (std::find(seen.begin(), seen.end(), name) != seen.end()) continue;
      tops.member(name, other.logprob);
      seen.push_back(std::move(name));
    }
    if (std::find(seen.begin(), seen.end(), bytes) == seen.end()) tops.member(bytes, token.logprob);
    tops.close_object();
  }
};

class CompletionFormat final : public AnswerFormat {
 public:
  const char* id_prefix() const noexcept override { return "cmpl-"; }
  const char* input_field() const noexcept override { return "prompt"; }

  std::optional<ApiError> tokenize(LoadedModel& model, const GenerationParams& params,
                                   std::vector<PromptTokens>& out) const override {
    return completion_tokens(model.model().tokenizer(), params, out);
  }

  std::string first_chunk(const Answer& answer, Choice& choice, std::size_t index) const override {
    if (!answer.params.echo) return {};
    const PromptTokens& prompt = answer.prompts[choice.prompt];
    JsonOut out = begin_chunk(answer, index, prompt.text);
    LogprobLists lists;
    if (wants_logprobs(answer)) add_prompt(lists, answer, choice);
    append_lists(out, answer, lists);
    choice.characters = count_characters(prompt.text);
    return close_chunk(out, answer, nullptr);
  }

  std::string delta_chunk(const Answer& answer, Choice& choice, std::size_t index, const Delta& delta) const override {
    JsonOut out = begin_chunk(answer, index, delta.text);
    LogprobLists lists;
    std::int64_t characters = choice.characters;
    for (const SampledToken& token : delta.tokens) lists.add(*answer.tokenizer, token, true, characters);
    append_lists(out, answer, lists);
    choice.characters += count_characters(delta.text);
    return close_chunk(out, answer, nullptr);
  }

  std::string finish_chunk(const Answer& answer, const Choice& choice, std::size_t index) const override {
    JsonOut out = begin_chunk(answer, index, "");
    out.key("logprobs").null();
    return close_chunk(out, answer, finish_text(*choice.finish));
  }

  std::string stream_end(const Answer& answer) const override {
    std::string done = sse_data("[DONE]");
    if (!answer.params.include_usage) return done;
    JsonOut out;
    append_header(out, answer, "text_completion");
    out.key("choices").open_array().close_array();
    append_usage(out, answer);
    return sse_data(out.close_object().take()) + done;
  }

  std::string whole(Answer& answer) const override {
    JsonOut out;
    append_header(out, answer, "text_completion");
    out.key("choices").open_array();
    for (std::size_t i = 0; i < answer.choices.size(); ++i) {
      Choice& choice = answer.choices[i];
      const std::string echoed = answer.params.echo ? answer.prompts[choice.prompt].text : std::string();
      out.open_object().member("text", echoed + choice.text).member("index", i);
      LogprobLists lists;
      if (answer.params.echo && wants_logprobs(answer)) add_prompt(lists, answer, choice);
      std::int64_t characters = count_characters(echoed);
      for (const SampledToken& token : choice.tokens) lists.add(*answer.tokenizer, token, true, characters);
      append_lists(out, answer, lists);
      out.member("finish_reason", finish_text(*choice.finish)).close_object();
    }
    out.close_array();
    append_usage(out, answer);
    return out.close_object().take();
  }

 private:
  static bool wants_logprobs(const Answer& answer) { return answer.params.sampling.top_logprobs >= 0; }

  // A beginning-of-text token that the tokenizer added is no part of the text; behind it every token has a score.
  static void add_prompt(LogprobLists& lists, const Answer& answer, const Choice& choice) {
    const std::size_t hidden = static_cast<std::size_t>(answer.prompts[choice.prompt].hidden_tokens);
    std::int64_t characters = 0;
    for (std::size_t i = hidden; i < choice.prompt_tokens.size(); ++i) {
      lists.add(*answer.tokenizer, choice.prompt_tokens[i], i > 0, characters);
    }
  }

  static void append_lists(JsonOut& out, const Answer& answer, LogprobLists& lists) {
    if (wants_logprobs(answer))
      lists.append_to(out);
    else
      out.key("logprobs").null();
  }

  static JsonOut begin_chunk(const Answer& answer, std::size_t index, std::string_view text) {
    JsonOut out;
    append_header(out, answer, "text_completion");
    out.key("choices").open_array().open_object().member("text", text).member("index", index);
    return out;
  }

  static std::string close_chunk(JsonOut& out, const Answer& answer, const char* finish) {
    out.key("finish_reason");
    if (finish == nullptr)
      out.null();
    else
      out.value(finish);
    out.close_object().close_array();
    if (finish != nullptr) append_attention_notice(out, answer);
    if (answer.params.include_usage) out.key("usage").null();
    return sse_data(out.close_object().take());
  }
};

}  // namespace

std::unique_ptr<AnswerFormat> completion_format() { return std::make_unique<CompletionFormat>(); }

}  // namespace heed
