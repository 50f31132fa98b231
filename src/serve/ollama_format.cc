// ollama_format.cc -- answers as Ollama gives them.
#include "serve/ollama_format.h"

#include <chrono>
#include <cmath>
#include <cstdio>

#include "serve/json_out.h"

namespace heed {
namespace {

std::int64_t duration_ns(double milliseconds) { return std::llround(milliseconds * 1e6); }

void append_ollama_text(JsonOut& out, OllamaPath path, std::string_view text) {
  if (path == OllamaPath::generate) {
    out.member("response", text);
    return;
  }
  out.key("message").open_object().member("role", "assistant").member("content", text).close_object();
}

void begin_ollama_record(JsonOut& out, OllamaPath path, const std::string& model, std::string_view text) {
  out.open_object().member("model", model).member("created_at", rfc3339_now());
  append_ollama_text(out, path, text);
}

std::string ollama_error_json(const ApiError& error) {
  std::string text = named_message(error);
  if (error.code == "model_not_found" && text.starts_with("model: ")) text.replace(0, 6, "model not found:");
  JsonOut out;
  return out.open_object().member("error", text).close_object().take();
}

class OllamaFormat : public AnswerFormat {
 public:
  explicit OllamaFormat(OllamaPath path) : path_(path) {}
  const char* id_prefix() const noexcept override { return "ollama-"; }

  std::string first_chunk(const Answer&, Choice&, std::size_t) const override { return {}; }

  std::string delta_chunk(const Answer& answer, Choice&, std::size_t, const Delta& delta) const override {
    JsonOut out;
    begin_ollama_record(out, path_, answer.model, delta.text);
    return line(out.member("done", false));
  }

  std::string finish_chunk(const Answer& answer, const Choice& choice, std::size_t) const override {
    JsonOut out;
    append_final(out, answer, choice, "");
    return line(out);
  }

  std::string stream_end(const Answer&) const override { return {}; }
  std::string stream_error(const ApiError& error) const override { return ollama_error_json(error) + "\n"; }
  std::string comment(const std::string&) const override { return {}; }

  HttpResponse stream_head() const override {
    HttpResponse head;
    head.content_type = "application/x-ndjson";
    head.headers = {{"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}};
    return head;
  }

  std::string whole(Answer& answer) const override {
    JsonOut out;
    append_final(out, answer, answer.choices.front(), answer.choices.front().text);
    return out.close_object().take();
  }

  HttpResponse error_response(const ApiError& error) const override { return ollama_error(error); }

 private:
  static std::string line(JsonOut& out) { return out.close_object().take() + "\n"; }

  void append_final(JsonOut& out, const Answer& answer, const Choice& choice, std::string_view text) const {
    const Usage& usage = choice.usage;
    begin_ollama_record(out, path_, answer.model, text);
    out.member("done", true).member("done_reason", finish_text(*choice.finish));
    out.member("total_duration", duration_ns(answer.elapsed_ms)).member("load_duration", duration_ns(answer.load_ms));
    out.member("prompt_eval_count", usage.prompt_tokens).member("prompt_eval_duration", duration_ns(usage.prefill_ms));
    out.member("eval_count", usage.completion_tokens).member("eval_duration", duration_ns(usage.decode_ms));
    append_attention_notice(out, answer);
  }

  OllamaPath path_;
};

class OllamaChatFormat final : public OllamaFormat {
 public:
  OllamaChatFormat() : OllamaFormat(OllamaPath::chat) {}
  const char* input_field() const noexcept override { return "messages"; }

  std::optional<ApiError> tokenize(LoadedModel& model, const GenerationParams& params,
                                   std::vector<PromptTokens>& out) const override {
    return chat_tokens(model, params.messages, out.emplace_back());
  }
};

class OllamaGenerateFormat final : public OllamaFormat {
 public:
  explicit OllamaGenerateFormat(OllamaGenerate asked) : OllamaFormat(OllamaPath::generate), asked_(std::move(asked)) {}
  const char* input_field() const noexcept override { return "prompt"; }

  std::optional<ApiError> tokenize(LoadedModel& model, const GenerationParams& params,
                                   std::vector<PromptTokens>& out) const override {
    if (asked_.is_raw || params.suffix) return completion_tokens(model.model().tokenizer(), params, out);
    if (model.chat() == nullptr) {
      if (asked_.system.empty()) return completion_tokens(model.model().tokenizer(), params, out);
      return ApiError{.message = "system: " + model.name() + " is a base model without a chat template",
                      .param = "system",
                      .code = "no_chat_template"};
    }
    Json messages = Json::array();
    if (!asked_.system.empty()) messages.push_back({{"role", "system"}, {"content", asked_.system}});
    messages.push_back({{"role", "user"}, {"content", params.prompt}});
    return chat_tokens(model, messages, out.emplace_back());
  }

 private:
  OllamaGenerate asked_;
};

}  // namespace

std::unique_ptr<AnswerFormat> ollama_chat_format() { return std::make_unique<OllamaChatFormat>(); }
std::unique_ptr<AnswerFormat> ollama_generate_format(OllamaGenerate asked) {
  return std::make_unique<OllamaGenerateFormat>(std::move(asked));
}

std::string ollama_loaded(OllamaPath path, const std::string& model) {
  JsonOut out;
  begin_ollama_record(out, path, model, "");
  return out.member("done", true).member("done_reason", "load").close_object().take();
}

HttpResponse ollama_error(const ApiError& error) {
  HttpResponse response = to_response(error);
  response.body = ollama_error_json(error);
  return response;
}

std::string rfc3339(std::int64_t unix_ns) {
  using std::chrono::days;
  using std::chrono::floor;
  const std::chrono::sys_time<std::chrono::nanoseconds> at{std::chrono::nanoseconds(unix_ns)};
  const auto midnight = floor<days>(at);
  const std::chrono::year_month_day date{midnight};
  const std::chrono::hh_mm_ss<std::chrono::nanoseconds> time{at - midnight};
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%09dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
                static_cast<int>(time.seconds().count()), static_cast<int>(time.subseconds().count()));
  return text;
}

std::string rfc3339_now() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return rfc3339(std::chrono::duration_cast<std::chrono::nanoseconds>(since).count());
}

}  // namespace heed
