// chat_prompt.cc -- render, then encode.
#include "engine/pipelines/chat_prompt.h"

#include <nlohmann/json.hpp>

namespace heed {
namespace {

std::string spelled(const Tokenizer& tokenizer, std::int32_t token) {
  return token < 0 ? std::string() : tokenizer.token_bytes(token, true);
}

}  // namespace

Expected<std::vector<Segment>> render_chat(const Tokenizer& tokenizer, const ChatTemplate& chat,
                                           const nlohmann::ordered_json& messages) {
  nlohmann::ordered_json input;
  input["messages"] = messages;
  input["add_generation_prompt"] = true;
  input["bos_token"] = spelled(tokenizer, tokenizer.bos());
  input["eos_token"] = spelled(tokenizer, tokenizer.eos());
  return chat.render(input);
}

Expected<std::vector<std::int32_t>> chat_prompt(const Tokenizer& tokenizer, const ChatTemplate& chat,
                                                const nlohmann::ordered_json& messages) {
  HEED_ASSIGN(const auto segments, render_chat(tokenizer, chat, messages));
  // Most templates write the beginning-of-text token themselves; a second one would shift every position.
  const std::string bos = spelled(tokenizer, tokenizer.bos());
  const bool has_bos = !bos.empty() && !segments.empty() && segments[0].trusted && segments[0].text.starts_with(bos);
  return tokenizer.encode(segments, {.add_bos = !has_bos, .add_eos = false});
}

}  // namespace heed
