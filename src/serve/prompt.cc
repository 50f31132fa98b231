// prompt.cc -- messages and prompts, checked field by field.
#include "serve/prompt.h"

#include <array>

namespace heed {
namespace {

constexpr std::size_t kMaxBatch = 64;

std::optional<ApiError> part_text(const Json& part, const std::string& name, std::string& out) {
  if (part.is_string()) return out = part.get<std::string>(), std::nullopt;
  if (!part.is_object()) return invalid_type(name, "an object with type and text", describe(part));
  const std::string type = part.contains("type") && part["type"].is_string() ? part["type"].get<std::string>() : "";
  if (type == "image_url" || type == "input_image" || type == "input_audio" || type == "file" || type == "video_url") {
    return not_supported_yet(name + ".type", "parts of type " + type + " are not supported yet");
  }
  if (type != "text" && type != "refusal")
    return invalid_value(name + ".type", "expected text, got " + (type.empty() ? "nothing" : type.substr(0, 40)));
  const auto found = part.find(type);
  if (found == part.end() || !found->is_string())
    return invalid_type(name + "." + type, "a string", found == part.end() ? "nothing" : describe(*found));
  return out = found->get<std::string>(), std::nullopt;
}

// Text parts become one text, a line each, as other servers do.
std::optional<ApiError> content_text(const Json& content, const std::string& name, std::string& out) {
  if (content.is_string()) return out = content.get<std::string>(), std::nullopt;
  if (!content.is_array()) return invalid_type(name, "a string or an array of parts", describe(content));
  for (std::size_t i = 0; i < content.size(); ++i) {
    std::string text;
    if (auto error = part_text(content[i], name + "[" + std::to_string(i) + "]", text)) return error;
    if (i > 0) out += '\n';
    out += text;
  }
  return std::nullopt;
}

std::optional<ApiError> normalize_message(const Json& message, const std::string& name, Json& out) {
  static constexpr std::array<std::string_view, 6> kRoles = {"system",    "developer", "user",
                                                             "assistant", "tool",      "function"};
  if (!message.is_object()) return invalid_type(name, "an object with role and content", describe(message));
  const auto role = message.find("role");
  if (role == message.end() || !role->is_string())
    return invalid_type(name + ".role", "a string", role == message.end() ? "nothing" : describe(*role));
  const auto role_name = role->get<std::string>();
  if (std::find(kRoles.begin(), kRoles.end(), role_name) == kRoles.end()) {
    return invalid_value(name + ".role", "expected system, developer, user, assistant or tool, got " + describe(*role));
  }
  out = message;
  out["role"] = role_name == "developer" ? "system" : role_name;
  const auto content = message.find("content");
  const bool is_absent = content == message.end() || content->is_null();
  const bool has_calls =
      message.contains("tool_calls") && message["tool_calls"].is_array() && !message["tool_calls"].empty();
  if (is_absent && !(role_name == "assistant" && has_calls))
    return invalid_type(name + ".content", "a string or an array of parts", "nothing");
  std::string text;
  if (!is_absent) {
    if (auto error = content_text(*content, name + ".content", text)) return error;
  }
  out["content"] = text;
  return std::nullopt;
}

std::optional<ApiError> one_prompt(const Tokenizer& tokenizer, const GenerationParams& params, const Json& prompt,
                                   const std::string& name, std::vector<PromptTokens>& out) {
  PromptTokens made;
  if (prompt.is_string()) {
    made.text = prompt.get<std::string>();
    if (params.suffix) {
      const std::string prefix = made.text;
      if (auto error = fim_tokens(tokenizer, {}, prefix, *params.suffix, made)) return error;
    } else {
      made.tokens = tokenizer.encode(made.text, params.trusts_prompt);
      const bool has_bos = tokenizer.adds_bos() && !made.tokens.empty() && made.tokens.front() == tokenizer.bos();
      // A rendered prompt may spell it itself.
      if (has_bos && made.tokens.size() > 1 && made.tokens[1] == tokenizer.bos())
        made.tokens.erase(made.tokens.begin());
      made.hidden_tokens = has_bos ? 1 : 0;
    }
  } else {
    if (params.suffix) return invalid_value("suffix", "needs a prompt that is text");
    if (auto error = token_array(prompt, name, tokenizer.vocab_size(), made.tokens)) return error;
    made.text = tokenizer.decode(made.tokens, true);
  }
  made.goes_on = !params.suffix && !made.text.empty();
  if (made.tokens.empty())
    return invalid_value(name, "expected at least one token: the text is empty and the model adds none");
  out.push_back(std::move(made));
  return std::nullopt;
}

}  // namespace

std::optional<ApiError> normalize_messages(const Json& messages, Json& out) {
  out = Json::array();
  for (std::size_t i = 0; i < messages.size(); ++i) {
    Json message;
    if (auto error = normalize_message(messages[i], "messages[" + std::to_string(i) + "]", message)) return error;
    out.push_back(std::move(message));
  }
  return std::nullopt;
}

std::optional<ApiError> chat_tokens(LoadedModel& model, const Json& messages, PromptTokens& out, AnswerPlace place) {
  if (model.chat() == nullptr) {
    return ApiError{
        .message = "model: " + model.name() + " is a base model without a chat template: use /v1/completions",
        .param = "model",
        .code = "no_chat_template"};
  }
  Json normal;
  if (auto error = normalize_messages(messages, normal)) return error;
  auto tokens = chat_prompt(model.model().tokenizer(), *model.chat(), normal, place);
  if (!tokens) {
    ApiError error = from_error(tokens.error());
    if (error.code == "context_length_exceeded") error.code = "invalid_value";  // the template's own limits
    error.param = "messages";
    return error;
  }
  out.tokens = std::move(*tokens);
  out.goes_on = place == AnswerPlace::last_message;
  if (out.tokens.empty()) return invalid_value("messages", "the chat template made an empty prompt of them");
  return std::nullopt;
}

std::optional<ApiError> fim_tokens(const Tokenizer& tokenizer, const std::vector<std::int32_t>& ahead,
                                   const std::string& prefix, const std::string& suffix, PromptTokens& out) {
  const auto& fim = tokenizer.fim();
  if (fim.prefix < 0 || fim.suffix < 0 || fim.middle < 0) {
    return ApiError{.message = "suffix: this model has no fill-in-the-middle tokens",
                    .param = "suffix",
                    .code = "unsupported_by_model"};
  }
  const EncodeOptions bare{.add_bos = false, .add_eos = false};
  if (tokenizer.adds_bos() && tokenizer.bos() >= 0) out.tokens.push_back(tokenizer.bos());
  out.tokens.insert(out.tokens.end(), ahead.begin(), ahead.end());
  const auto append = [&](std::int32_t mark, const std::string& text) {
    out.tokens.push_back(mark);
    const auto ids = tokenizer.encode(text, false, bare);
    out.tokens.insert(out.tokens.end(), ids.begin(), ids.end());
  };
  append(fim.prefix, prefix);
  append(fim.suffix, suffix);
  out.tokens.push_back(fim.middle);
  out.text = prefix;
  return std::nullopt;
}

std::optional<ApiError> completion_tokens(const Tokenizer& tokenizer, const GenerationParams& params,
                                          std::vector<PromptTokens>& out) {
  return each_of(params.prompt, "prompt", {kMaxBatch, "prompts"}, [&](const Json& prompt, const std::string& name) {
    return one_prompt(tokenizer, params, prompt, name, out);
  });
}

std::optional<ApiError> each_of(const Json& value, const std::string& name, MostOf most,
                                const std::function<std::optional<ApiError>(const Json&, const std::string&)>& read) {
  const bool is_batch = value.is_array() && !value.empty() && !value[0].is_number();
  if (!is_batch) return read(value, name);
  if (value.size() > most.count)
    return invalid_value(name, "expected at most " + std::to_string(most.count) + " " + most.what + ", got " +
                                   std::to_string(value.size()));
  for (std::size_t i = 0; i < value.size(); ++i) {
    const std::string item = name + "[" + std::to_string(i) + "]";
    if (!value[i].is_string() && !value[i].is_array())
      return invalid_type(item, "a string or an array of token ids", describe(value[i]));
    if (auto error = read(value[i], item)) return error;
  }
  return std::nullopt;
}

std::optional<ApiError> token_array(const Json& list, const std::string& name, std::int32_t vocab_size,
                                    std::vector<std::int32_t>& out) {
  if (!list.is_array()) return invalid_type(name, "an array of token ids", describe(list));
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string item = name + "[" + std::to_string(i) + "]";
    if (!list[i].is_number_integer()) return invalid_type(item, "a token id", describe(list[i]));
    const bool is_inside =
        list[i].is_number_unsigned() && list[i].get<std::uint64_t>() < static_cast<std::uint64_t>(vocab_size);
    if (!is_inside)
      return invalid_value(item,
                           "expected a token id below " + std::to_string(vocab_size) + ", got " + describe(list[i]));
    out.push_back(list[i].get<std::int32_t>());
  }
  return std::nullopt;
}

}  // namespace heed
