// answer.cc -- what every shape of an answer shares.
#include "serve/answer.h"

#include <algorithm>
#include <cmath>

#include "serve/json_out.h"
#include "serve/sse.h"

namespace heed {

std::string AnswerFormat::stream_error(const ApiError& error) const {
  return sse_data(to_json(error)) + sse_data("[DONE]");
}
std::string AnswerFormat::comment(const std::string& text) const { return sse_comment(text); }
HttpResponse AnswerFormat::stream_head() const { return sse_response(); }
HttpResponse AnswerFormat::error_response(const ApiError& error) const { return to_response(error); }

const char* finish_text(FinishReason reason) noexcept { return reason == FinishReason::stop ? "stop" : "length"; }

void append_header(JsonOut& out, const Answer& answer, const char* object) {
  out.open_object().member("id", answer.id).member("object", object).member("created", answer.created);
  out.member("model", answer.model).member("system_fingerprint", answer.fingerprint);
}

void append_attention(JsonOut& out, const Answer& answer) {
  const AttentionPolicy& p = answer.params.attention;
  if (!p.is_lossy()) return;
  out.key("attention").open_object().member("policy", policy_name(p.kept)).member("window", p.window);
  out.member("sinks", p.sinks);
  if (p.kept != AttentionKept::window) out.member("budget", p.budget);
  out.close_object();
}

void append_attention_notice(JsonOut& out, const Answer& answer) {
  if (!answer.params.attention.is_lossy()) return;
  out.key("heed").open_object();
  append_attention(out, answer);
  out.close_object();
}

TokenCounts count_tokens(const Answer& answer) {
  TokenCounts counts;
  for (std::size_t i = 0; i < answer.choices.size(); ++i) {
    const Choice& choice = answer.choices[i];
    const bool is_first_of_prompt = i == 0 || answer.choices[i - 1].prompt != choice.prompt;
    if (is_first_of_prompt) counts.prompt += choice.usage.prompt_tokens, counts.cached += choice.usage.cached_tokens;
    counts.completion += choice.usage.completion_tokens;
  }
  return counts;
}

void append_usage(JsonOut& out, const Answer& answer) {
  const TokenCounts counts = count_tokens(answer);
  out.key("usage").open_object().member("prompt_tokens", counts.prompt);
  out.member("completion_tokens", counts.completion).member("total_tokens", counts.prompt + counts.completion);
  out.key("prompt_tokens_details").open_object().member("cached_tokens", counts.cached).close_object();
  if (answer.params.prediction) {
    std::int64_t right = 0, wrong = 0;
    for (const Choice& choice : answer.choices) {
      right += choice.usage.accepted_prediction_tokens;
      wrong += choice.usage.rejected_prediction_tokens;
    }
    out.key("completion_tokens_details").open_object().member("accepted_prediction_tokens", right);
    out.member("rejected_prediction_tokens", wrong).close_object();
  }
  out.close_object();
  append_timings(out, answer);
}

void append_timings(JsonOut& out, const Answer& answer) {
  Usage longest;
  bool missed_deadline = false;
  for (const Choice& choice : answer.choices) {
    longest.queue_ms = std::max(longest.queue_ms, choice.usage.queue_ms);
    longest.prefill_ms = std::max(longest.prefill_ms, choice.usage.prefill_ms);
    longest.decode_ms = std::max(longest.decode_ms, choice.usage.decode_ms);
    missed_deadline = missed_deadline || choice.finish == FinishReason::deadline;
  }
  const auto completion = static_cast<double>(count_tokens(answer).completion);
  const double rate = longest.decode_ms > 0 ? completion * 1000.0 / longest.decode_ms : 0.0;
  const auto rounded = [](double value) { return std::round(value * 100) / 100; };
  out.key("heed").open_object().member("tokens_per_second", rounded(rate));
  out.member("prefill_ms", rounded(longest.prefill_ms)).member("decode_ms", rounded(longest.decode_ms));
  out.member("queue_ms", rounded(longest.queue_ms));
  if (missed_deadline) out.member("missed_deadline", true);
  append_attention(out, answer);
  out.close_object();
}

}  // namespace heed
