// answer.h -- what a generation request has produced so far, and the shapes it can be told in.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "serve/params.h"
#include "serve/prompt.h"

namespace heed {

struct Choice {
  std::size_t prompt = 0;                   // which of the batch
  std::optional<RequestId> id;              // once submitted
  std::string text;                         // so far; only kept when the answer is told as a whole
  std::vector<SampledToken> tokens;         // likewise, when logprobs were asked for
  std::vector<SampledToken> prompt_tokens;  // `echo` with logprobs; as many as the prompt has, the first unscored
  std::optional<FinishReason> finish;
  Usage usage;
  std::int64_t characters = 0;  // of the text told so far, for text_offset
  bool is_begun = false;        // its first chunk is out
};

struct Answer {
  std::string id, model, fingerprint;
  std::int64_t created = 0;
  GenerationParams params;
  std::vector<PromptTokens> prompts;
  std::vector<std::int32_t> prediction;  // tokens of params.prediction
  std::vector<Choice> choices;
  const Tokenizer* tokenizer = nullptr;
  std::int32_t context = 0;            // tokens, the model's
  double load_ms = 0, elapsed_ms = 0;  // until the model was there, and until the latest finish
};

/// One API's shape of an answer. What goes into a stream is framed as that API frames it: server-sent events, unless a
/// format says otherwise.
class AnswerFormat {
 public:
  virtual ~AnswerFormat() = default;
  virtual const char* id_prefix() const noexcept = 0;
  virtual const char* input_field() const noexcept = 0;  // named when the input is over-long
  virtual std::optional<ApiError> tokenize(LoadedModel& model, const GenerationParams& params,
                                           std::vector<PromptTokens>& out) const = 0;
  /// Ahead of a choice's first delta: the role, or the echoed prompt; "": nothing to say.
  virtual std::string first_chunk(const Answer& answer, Choice& choice, std::size_t index) const = 0;
  virtual std::string delta_chunk(const Answer& answer, Choice& choice, std::size_t index,
                                  const Delta& delta) const = 0;
  virtual std::string finish_chunk(const Answer& answer, const Choice& choice, std::size_t index) const = 0;
  /// Behind the last choice's finish.
  virtual std::string stream_end(const Answer& answer) const = 0;
  /// Instead of what was to come.
  virtual std::string stream_error(const ApiError& error) const;
  /// Keeps proxies from timing out; "": the framing has no place for it.
  virtual std::string comment(const std::string& text) const;
  virtual HttpResponse stream_head() const;
  /// The whole answer as a JSON document.
  virtual std::string whole(Answer& answer) const = 0;
  virtual HttpResponse error_response(const ApiError& error) const;
};

std::unique_ptr<AnswerFormat> chat_format();
std::unique_ptr<AnswerFormat> completion_format();
std::unique_ptr<AnswerFormat> fim_format();

// Shared by the formats.
class JsonOut;
const char* finish_text(FinishReason reason) noexcept;
/// Prompt tokens count once per prompt, completion tokens over all choices; cached ones are those of each prompt's
/// first choice.
struct TokenCounts {
  std::int64_t prompt = 0, cached = 0, completion = 0;
};
TokenCounts count_tokens(const Answer& answer);
/// "usage" and "heed" (timings).
void append_usage(JsonOut& out, const Answer& answer);
/// "heed": timings, and the policy when it is lossy.
void append_timings(JsonOut& out, const Answer& answer);
/// "attention": the policy, when it is lossy: nobody should learn of it by a worse answer.
void append_attention(JsonOut& out, const Answer& answer);
/// "heed" with the policy, for a stream's last chunk; nothing when all is attended to.
void append_attention_notice(JsonOut& out, const Answer& answer);
void append_header(JsonOut& out, const Answer& answer, const char* object);

}  // namespace heed
