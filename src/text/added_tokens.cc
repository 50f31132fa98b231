// added_tokens.cc -- the search is SpecialTokens'; what follows it is the spaces and word ends that a token asks for.
#include "text/added_tokens.h"

#include <algorithm>
#include <utility>

#include "text/utf8.h"
#include "text/word_tables.h"

namespace heed {
namespace {

constexpr std::int64_t kMostId = (std::int64_t{1} << 24) - 1;

bool is_word(std::uint32_t code) noexcept {
  return word_class(code) == WordClass::word || word_class(code) == WordClass::mark;
}
bool is_space(std::uint32_t code) noexcept { return word_class(code) == WordClass::space; }

/// Where the last character of text[0, end) begins.
std::size_t last_begin(std::string_view text, std::size_t end) noexcept {
  std::size_t begin = end - 1;
  while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
  return begin;
}

bool ends_word(std::string_view text, std::size_t end) noexcept {
  return end > 0 && is_word(utf8_first(text.substr(last_begin(text, end))).code_point);
}

bool begins_word(std::string_view text, std::size_t begin) noexcept {
  return begin < text.size() && is_word(utf8_first(text.substr(begin)).code_point);
}

std::size_t without_spaces_before(std::string_view text, std::size_t end) noexcept {
  while (end > 0 && is_space(utf8_first(text.substr(last_begin(text, end))).code_point)) end = last_begin(text, end);
  return end;
}

std::size_t without_spaces_after(std::string_view text, std::size_t begin) noexcept {
  while (begin < text.size()) {
    const Utf8Char c = utf8_first(text.substr(begin));
    if (!is_space(c.code_point)) break;
    begin += c.size;
  }
  return begin;
}

}  // namespace

Expected<std::vector<AddedToken>> read_added_tokens(const JsonPart& file) {
  std::vector<AddedToken> out;
  if (file.find("added_tokens") == nullptr) return out;
  HEED_ASSIGN(const std::vector<JsonPart> parts, file.parts("added_tokens"));
  for (const JsonPart& part : parts) {
    AddedToken token;
    HEED_ASSIGN(token.content, part.need_text("content"));
    if (part.find("id") == nullptr) return part.malformed("id: expected an integer, got none");
    HEED_ASSIGN(const std::int64_t id, part.integer("id", -1, kMostId));
    token.id = static_cast<std::int32_t>(id);
    HEED_ASSIGN(token.is_special, part.flag("special", false));
    HEED_ASSIGN(token.is_normalized, part.flag("normalized", true));
    HEED_ASSIGN(token.is_single_word, part.flag("single_word", false));
    HEED_ASSIGN(token.strips_left, part.flag("lstrip", false));
    HEED_ASSIGN(token.strips_right, part.flag("rstrip", false));
    if (token.content.empty() || token.content.size() > SpecialTokens::kLongestBytes)
      return part.malformed("content: expected 1 to " + std::to_string(SpecialTokens::kLongestBytes) + " bytes, got " +
                            std::to_string(token.content.size()));
    out.push_back(std::move(token));
  }
  return out;
}

AddedTokens::AddedTokens(std::vector<AddedToken> tokens, const Normalizer& normalizer) : tokens_(std::move(tokens)) {
  std::sort(tokens_.begin(), tokens_.end(), [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  std::vector<SpecialToken> sets[3];
  for (const AddedToken& token : tokens_) {
    if (!token.is_normalized) {
      sets[static_cast<std::size_t>(In::raw_text)].push_back({token.content, token.id, token.is_special});
      continue;
    }
    Normalizer::Text text{token.content};
    normalizer.apply(text);
    text.bytes.resize(std::min(text.bytes.size(), SpecialTokens::kLongestBytes));
    sets[static_cast<std::size_t>(In::normalized_text)].push_back({std::move(text.bytes), token.id, token.is_special});
    if (token.is_special) sets[static_cast<std::size_t>(In::mixed_text)].push_back({token.content, token.id, true});
  }
  for (std::size_t i = 0; i < 3; ++i) sets_[i] = SpecialTokens(std::move(sets[i]));
}

const AddedToken* AddedTokens::token_of(std::int32_t id) const noexcept {
  const auto it = std::partition_point(tokens_.begin(), tokens_.end(), [id](const AddedToken& t) { return t.id < id; });
  return it != tokens_.end() && it->id == id ? &*it : nullptr;
}

std::vector<TextPart> AddedTokens::partition(In where, std::string_view text, std::span<const TextRun> trusted) const {
  std::vector<TextPart> out;
  std::size_t plain = 0;  // where the text that belongs to no token begins
  for (const TextPart& part : sets_[static_cast<std::size_t>(where)].partition(text, trusted)) {
    const AddedToken* token = token_of(part.token);
    if (token == nullptr) continue;
    if (token->is_single_word && (ends_word(text, part.begin) || begins_word(text, part.end))) continue;
    std::size_t begin = part.begin, end = part.end;
    if (token->strips_left) begin = std::max(without_spaces_before(text, begin), plain);
    if (token->strips_right) end = without_spaces_after(text, end);
    if (plain < begin) out.push_back({plain, begin, -1});
    out.push_back({begin, end, token->id});
    plain = end;
  }
  if (plain < text.size()) out.push_back({plain, text.size(), -1});
  return out;
}

}  // namespace heed
