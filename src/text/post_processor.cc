// post_processor.cc -- every type as the tokens before and after one text.
#include "text/post_processor.h"

#include <string>

namespace heed {
namespace {

constexpr std::size_t kMostTokens = 1024;

/// ["</s>", 2]
Expected<std::int32_t> read_pair(const JsonPart& part, const char* key, const Vocabulary& vocabulary) {
  const auto* pair = part.find(key);
  const bool is_pair = pair != nullptr && pair->is_array() && pair->size() == 2 && (*pair)[0].is_string() &&
                       (*pair)[1].is_number_unsigned();
  if (!is_pair) return part.malformed(std::string(key) + ": expected a pair of a text and an id");
  const auto id = (*pair)[1].get<std::uint64_t>();
  if (id >= static_cast<std::uint64_t>(vocabulary.size()))
    return part.malformed(std::string(key) + ": expected an id of the vocabulary, got " + std::to_string(id));
  return static_cast<std::int32_t>(id);
}

Expected<void> add_pair(const JsonPart& part, const Vocabulary& vocabulary, TextFrame& frame) {
  HEED_ASSIGN(const std::int32_t begin, read_pair(part, "cls", vocabulary));
  HEED_ASSIGN(const std::int32_t end, read_pair(part, "sep", vocabulary));
  frame.before.insert(frame.before.begin(), begin);
  frame.after.push_back(end);
  return {};
}

/// {"<s>": {"id": "<s>", "ids": [1], ...}}
Expected<std::vector<std::int32_t>> ids_of(const JsonPart& tokens, const std::string& name,
                                           const Vocabulary& vocabulary) {
  const JsonPart token = tokens.part(name.c_str());
  const auto* ids = token.find("ids");
  if (ids == nullptr || !ids->is_array()) return token.malformed("ids: expected an array, got none");
  std::vector<std::int32_t> out;
  for (const auto& id : *ids) {
    const bool is_token =
        id.is_number_unsigned() && id.get<std::uint64_t>() < static_cast<std::uint64_t>(vocabulary.size());
    if (!is_token) return token.malformed("ids: expected ids of the vocabulary, got " + id.dump());
    out.push_back(id.get<std::int32_t>());
  }
  return out;
}

Expected<void> add_template(const JsonPart& part, const Vocabulary& vocabulary, TextFrame& frame) {
  HEED_ASSIGN(const std::vector<JsonPart> pieces, part.parts("single"));
  const JsonPart tokens = part.part("special_tokens");
  TextFrame added;
  bool has_text = false;
  for (const JsonPart& piece : pieces) {
    if (piece.find("SpecialToken") == nullptr) {
      HEED_ASSIGN(const std::string name, piece.part("Sequence").need_text("id"));
      if (name != "A" || has_text) return piece.unsupported("expected the text once, as sequence A, got " + name);
      has_text = true;
      continue;
    }
    HEED_ASSIGN(const std::string name, piece.part("SpecialToken").need_text("id"));
    HEED_ASSIGN(const std::vector<std::int32_t> ids, ids_of(tokens, name, vocabulary));
    std::vector<std::int32_t>& into = has_text ? added.after : added.before;
    into.insert(into.end(), ids.begin(), ids.end());
  }
  if (!has_text) return part.unsupported("single: expected the text in it");
  frame.before.insert(frame.before.begin(), added.before.begin(), added.before.end());
  frame.after.insert(frame.after.end(), added.after.begin(), added.after.end());
  return {};
}

Expected<void> add(const JsonPart& part, const Vocabulary& vocabulary, TextFrame& frame) {
  HEED_ASSIGN(const std::string type, part.need_text("type"));
  if (type == "TemplateProcessing") {
    HEED_TRY(add_template(part, vocabulary, frame));
  } else if (type == "BertProcessing" || type == "RobertaProcessing") {
    HEED_TRY(add_pair(part, vocabulary, frame));
  } else if (type == "Sequence") {
    HEED_ASSIGN(const std::vector<JsonPart> parts, part.parts("processors"));
    for (const JsonPart& inner : parts) HEED_TRY(add(inner, vocabulary, frame));
  } else if (type != "ByteLevel") {
    return part.unsupported("expected a post-processor that heed knows, got " + type);
  }
  if (frame.before.size() + frame.after.size() > kMostTokens)
    return part.malformed("expected at most " + std::to_string(kMostTokens) + " tokens around a text");
  return {};
}

}  // namespace

Expected<TextFrame> read_text_frame(const JsonPart& part, const Vocabulary& vocabulary) {
  TextFrame frame;
  if (!part.value().is_null()) HEED_TRY(add(part, vocabulary, frame));
  return frame;
}

}  // namespace heed
