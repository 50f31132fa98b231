// chat_prompt.cc -- render, then encode.
#include "engine/pipelines/chat_prompt.h"

#include <nlohmann/json.hpp>

namespace heed {
namespace {

using Json = nlohmann::ordered_json;

std::string spelled(const Tokenizer& tokenizer, std::int32_t token) {
  return token < 0 ? std::string() : tokenizer.token_bytes(token, true);
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
}

std::size_t byte_count(const std::vector<Segment>& segments) {
  std::size_t bytes = 0;
  for (const Segment& segment : segments) bytes += segment.text.size();
  return bytes;
}

// The conversation up to the end of its last message's text. Templates trim texts and write before them what they like
// (an empty thought), so the text is looked for, behind what the messages before it make.
Expected<std::vector<Segment>> render_open(const ChatTemplate& chat, Json input) {
  input["add_generation_prompt"] = false;
  HEED_ASSIGN(auto segments, chat.render(input));
  auto& messages = input["messages"];
  const auto content = messages.empty() ? Json() : messages.back().value("content", Json());
  const std::string text(content.is_string() ? trimmed(content.get_ref<const std::string&>()) : "");
  std::size_t before = 0;
  if (messages.size() > 1) {
    messages.erase(messages.size() - 1);
    HEED_ASSIGN(const auto earlier, chat.render(input));
    before = byte_count(earlier);
  }
  std::size_t begin = byte_count(segments);
  for (; !segments.empty() && !text.empty(); segments.pop_back()) {
    Segment& last = segments.back();
    begin -= last.text.size();
    if (begin < before) break;
    const std::size_t at = last.trusted ? std::string::npos : last.text.rfind(text);
    if (at == std::string::npos) continue;
    last.text.resize(at + text.size());
    return segments;
  }
  return fail(Code::unsupported, "the model's chat template leaves no place to go on in the last message", "messages");
}

}  // namespace

Expected<std::vector<Segment>> render_chat(const Tokenizer& tokenizer, const ChatTemplate& chat, const Json& messages,
                                           AnswerPlace place) {
  Json input;
  input["messages"] = messages;
  input["add_generation_prompt"] = true;
  input["bos_token"] = spelled(tokenizer, tokenizer.bos());
  input["eos_token"] = spelled(tokenizer, tokenizer.eos());
  return place == AnswerPlace::new_turn ? chat.render(input) : render_open(chat, std::move(input));
}

Expected<std::vector<std::int32_t>> chat_prompt(const Tokenizer& tokenizer, const ChatTemplate& chat,
                                                const Json& messages, AnswerPlace place) {
  HEED_ASSIGN(const auto segments, render_chat(tokenizer, chat, messages, place));
  // Most templates write the beginning-of-text token themselves; a second one would shift every position.
  const std::string bos = spelled(tokenizer, tokenizer.bos());
  const bool has_bos = !bos.empty() && !segments.empty() && segments[0].trusted && segments[0].text.starts_with(bos);
  return tokenizer.encode(segments, {.add_bos = !has_bos, .add_eos = false});
}

}  // namespace heed
