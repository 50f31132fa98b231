// chat_prompt.h -- messages to prompt tokens: the model's own template, control tokens only from the template.
#pragma once
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "core/expected.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace heed {

/// Where the answer stands: in a turn of its own, or further on in the last message, which is the assistant's.
enum class AnswerPlace : unsigned char { new_turn, last_message };

/// `messages`: array of {role, content, ...} as the OpenAI API has them, content already plain text. The prompt ends
/// where the assistant's answer begins. Errors of the template (raise_exception) are invalid_argument with its text;
/// unsupported when it leaves no place to go on in the last message.
Expected<std::vector<Segment>> render_chat(const Tokenizer& tokenizer, const ChatTemplate& chat,
                                           const nlohmann::ordered_json& messages,
                                           AnswerPlace place = AnswerPlace::new_turn);
Expected<std::vector<std::int32_t>> chat_prompt(const Tokenizer& tokenizer, const ChatTemplate& chat,
                                                const nlohmann::ordered_json& messages,
                                                AnswerPlace place = AnswerPlace::new_turn);

}  // namespace heed
