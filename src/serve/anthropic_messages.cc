// anthropic_messages.cc -- turns of content blocks as the messages that chat templates know.
#include <algorithm>
#include <array>
#include <map>

#include "serve/anthropic.h"

namespace heed {
namespace {

std::string item_name(const std::string& name, std::size_t i) { return name + "[" + std::to_string(i) + "]"; }

// The string member `key` of a block.
std::optional<ApiError> string_of(const Json& block, const std::string& name, const char* key, std::string& out) {
  const auto found = block.find(key);
  if (found == block.end() || !found->is_string())
    return invalid_type(name + "." + key, "a string", found == block.end() ? "nothing" : describe(*found));
  return out = found->get<std::string>(), std::nullopt;
}

std::optional<ApiError> block_type(const Json& block, const std::string& name, std::string& out) {
  if (!block.is_object()) return invalid_type(name, "a content block", describe(block));
  return string_of(block, name, "type", out);
}

ApiError unknown_block(const std::string& name, const std::string& type, const char* expected) {
  static constexpr std::array<std::string_view, 6> kLater = {"image",    "document",          "search_result",
                                                             "thinking", "redacted_thinking", "container_upload"};
  const bool is_later = std::find(kLater.begin(), kLater.end(), type) != kLater.end() ||
                        type.starts_with("server_tool") || type.ends_with("_tool_result");
  if (is_later) return not_supported_yet(name + ".type", "blocks of type " + type + " are not supported yet");
  return invalid_value(name + ".type", std::string("expected ") + expected + ", got \"" + type.substr(0, 40) + "\"");
}

/// A string, or text blocks alone: what `system` and tool results are made of.
std::optional<ApiError> plain_text(const Json& content, const std::string& name, std::string& out) {
  if (content.is_string()) return out = content.get<std::string>(), std::nullopt;
  if (!content.is_array()) return invalid_type(name, "a string or an array of text blocks", describe(content));
  for (std::size_t i = 0; i < content.size(); ++i) {
    std::string type, text;
    if (auto error = block_type(content[i], item_name(name, i), type)) return error;
    if (type != "text") return unknown_block(item_name(name, i), type, "text");
    if (auto error = string_of(content[i], item_name(name, i), "text", text)) return error;
    if (i > 0) out += '\n';
    out += text;
  }
  return std::nullopt;
}

class TurnReader {
 public:
  std::optional<ApiError> read(const Json& message, const std::string& name) {
    if (!message.is_object()) return invalid_type(name, "an object with role and content", describe(message));
    std::string role;
    if (auto error = string_of(message, name, "role", role)) return error;
    if (role != "user" && role != "assistant" && role != "system")
      return invalid_value(name + ".role", "expected user or assistant, got \"" + role.substr(0, 40) + "\"");
    const auto content = message.find("content");
    if (content == message.end()) return invalid_type(name + ".content", "a string or an array of blocks", "nothing");
    if (role == "system") {
      std::string text;
      if (auto error = plain_text(*content, name + ".content", text)) return error;
      return out_.push_back({{"role", role}, {"content", text}}), std::nullopt;
    }
    if (content->is_string()) return add_text(role, content->get<std::string>()), std::nullopt;
    return read_blocks(*content, name + ".content", role);
  }

  void add_system(const std::string& text) { out_.push_back({{"role", "system"}, {"content", text}}); }

  std::optional<ApiError> finish(Json& out) {
    if (!out_.empty() && out_.back()["role"] == "assistant") {
      const std::string& text = out_.back()["content"].get_ref<const std::string&>();
      if (out_.back().contains("tool_calls"))
        return invalid_value("messages", "expected a tool_result for each tool_use behind it");
      if (text.empty()) {
        out_.erase(out_.size() - 1);  // nothing to go on in
      } else if (text.find_last_not_of(" \t\r\n") + 1 != text.size()) {
        return invalid_value("messages", "the last one, which the answer goes on in, must not end in white space");
      }
    }
    return out = std::move(out_), std::nullopt;
  }

 private:
  std::optional<ApiError> read_blocks(const Json& blocks, const std::string& name, const std::string& role) {
    if (!blocks.is_array()) return invalid_type(name, "a string or an array of blocks", describe(blocks));
    if (blocks.empty()) return invalid_value(name, "expected at least one block");
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      std::string type, text;
      if (auto error = block_type(blocks[i], item_name(name, i), type)) return error;
      std::optional<ApiError> error;
      if (type == "text") {
        error = string_of(blocks[i], item_name(name, i), "text", text);
        if (!error) add_text(role, text);
      } else if (type == "tool_use" && role == "assistant") {
        error = add_call(blocks[i], item_name(name, i));
      } else if (type == "tool_result" && role == "user") {
        error = add_result(blocks[i], item_name(name, i));
      } else {
        error = unknown_block(item_name(name, i), type, role == "user" ? "text or tool_result" : "text or tool_use");
      }
      if (error) return error;
    }
    return std::nullopt;
  }

  // Turns of one role that follow each other are one turn.
  void add_text(const std::string& role, const std::string& text) {
    if (out_.empty() || out_.back()["role"] != role) {
      out_.push_back({{"role", role}, {"content", text}});
      return;
    }
    std::string& before = out_.back()["content"].get_ref<std::string&>();
    before += before.empty() ? text : "\n" + text;
  }

  std::optional<ApiError> add_call(const Json& block, const std::string& name) {
    std::string id, function;
    if (auto error = string_of(block, name, "id", id)) return error;
    if (auto error = string_of(block, name, "name", function)) return error;
    const auto input = block.find("input");
    if (input == block.end() || !input->is_object())
      return invalid_type(name + ".input", "an object", input == block.end() ? "nothing" : describe(*input));
    if (out_.empty() || out_.back()["role"] != "assistant") add_text("assistant", "");
    out_.back()["tool_calls"].push_back(
        {{"id", id}, {"type", "function"}, {"function", {{"name", function}, {"arguments", *input}}}});
    names_[id] = function;
    return std::nullopt;
  }

  std::optional<ApiError> add_result(const Json& block, const std::string& name) {
    std::string id, text;
    if (auto error = string_of(block, name, "tool_use_id", id)) return error;
    const auto known = names_.find(id);
    if (known == names_.end())
      return invalid_value(name + ".tool_use_id",
                           "expected the id of an earlier tool_use, got \"" + id.substr(0, 40) + "\"");
    const auto content = block.find("content");
    if (content != block.end() && !content->is_null()) {
      if (auto error = plain_text(*content, name + ".content", text)) return error;
    }
    out_.push_back({{"role", "tool"}, {"tool_call_id", id}, {"name", known->second}, {"content", text}});
    return std::nullopt;
  }

  Json out_ = Json::array();
  std::map<std::string, std::string> names_;  // of the tools, by the call's id
};

}  // namespace

std::optional<ApiError> anthropic_messages(const Json& body, Json& out) {
  TurnReader reader;
  const auto system = body.find("system");
  if (system != body.end() && !system->is_null()) {
    std::string text;
    if (auto error = plain_text(*system, "system", text)) return error;
    if (!text.empty()) reader.add_system(text);
  }
  const auto messages = body.find("messages");
  if (messages == body.end() || messages->is_null())
    return ApiError{.message = "messages: required", .param = "messages", .code = "missing_required_parameter"};
  if (!messages->is_array()) return invalid_type("messages", "an array of messages", describe(*messages));
  if (messages->empty()) return invalid_value("messages", "expected at least one message");
  for (std::size_t i = 0; i < messages->size(); ++i) {
    if (auto error = reader.read((*messages)[i], item_name("messages", i))) return error;
  }
  return reader.finish(out);
}

std::optional<ApiError> anthropic_tokens(LoadedModel& model, const GenerationParams& params, PromptTokens& out) {
  const bool is_begun = params.messages.back()["role"] == "assistant";
  return chat_tokens(model, params.messages, out, is_begun ? AnswerPlace::last_message : AnswerPlace::new_turn);
}

}  // namespace heed
