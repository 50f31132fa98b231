// prompt.h -- from a request's messages or prompts to token ids.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/loaded_model.h"
#include "engine/pipelines/chat_prompt.h"
#include "serve/params.h"

namespace heed {

struct PromptTokens {
  std::vector<std::int32_t> tokens;
  std::string text;                // what `echo` gives back
  bool goes_on = false;            // the answer is more of the same text
  std::int32_t hidden_tokens = 0;  // at the front: added by the tokenizer, not part of `text`
};

/// Messages as templates expect them: content is plain text, developer is system. The error names the message.
std::optional<ApiError> normalize_messages(const Json& messages, Json& out);

std::optional<ApiError> chat_tokens(LoadedModel& model, const Json& messages, PromptTokens& out,
                                    AnswerPlace place = AnswerPlace::new_turn);

/// One entry per prompt of the batch. `suffix` asks for fill-in-the-middle.
std::optional<ApiError> completion_tokens(const Tokenizer& tokenizer, const GenerationParams& params,
                                          std::vector<PromptTokens>& out);

/// Fill-in-the-middle: the answer goes between `prefix` and `suffix`. `ahead`: tokens of what stands before both.
/// Error: the model has no tokens for it.
std::optional<ApiError> fim_tokens(const Tokenizer& tokenizer, const std::vector<std::int32_t>& ahead,
                                   const std::string& prefix, const std::string& suffix, PromptTokens& out);

struct MostOf {
  std::size_t count;
  const char* what;  // of the error: "prompts"
};

/// One text or token array, or an array of them: `read` gets each with its name (`name`, `name[i]`) and may refuse it.
std::optional<ApiError> each_of(const Json& value, const std::string& name, MostOf most,
                                const std::function<std::optional<ApiError>(const Json&, const std::string&)>& read);

/// Token ids of a JSON array, each inside the vocabulary.
std::optional<ApiError> token_array(const Json& list, const std::string& name, std::int32_t vocab_size,
                                    std::vector<std::int32_t>& out);

}  // namespace heed
