// token_decoder.cc -- every decoder of the library that works token by token, as settings of one.
#include "text/token_decoder.h"

#include "text/byte_tokens.h"
#include "text/json_pattern.h"
#include "text/stand_ins.h"

namespace heed {
namespace {

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  while (!from.empty()) {
    const std::size_t at = text.find(from);
    if (at == std::string_view::npos) break;
    out += text.substr(0, at);
    out += to;
    text.remove_prefix(at + from.size());
  }
  return out += text;
}

/// What the library calls clean-up: no space before marks and English contractions.
std::string cleaned_up(std::string text) {
  constexpr std::pair<std::string_view, std::string_view> kPairs[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},    {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
  };
  for (const auto& [from, to] : kPairs) text = replaced(text, from, to);
  return text;
}

}  // namespace

Expected<TokenDecoder> TokenDecoder::read(const JsonPart& part) {
  TokenDecoder out;
  if (part.value().is_null()) {
    out.separates_ = true;
  } else {
    HEED_TRY(out.add(part));
  }
  return out;
}

Expected<void> TokenDecoder::replace(const JsonPart& part, std::string from, std::string to) {
  if (replaced_.size() == kMostSteps)
    return part.malformed("expected at most " + std::to_string(kMostSteps) + " steps");
  replaced_.emplace_back(std::move(from), std::move(to));
  return {};
}

Expected<void> TokenDecoder::add_replace(const JsonPart& part) {
  HEED_ASSIGN(const JsonPattern pattern, JsonPattern::read(part.part("pattern")));
  HEED_ASSIGN(std::string content, read_replacement(part, "content"));
  if (pattern.is_regex()) return part.unsupported("pattern: expected a String, got a Regex");
  return replace(part, pattern.spelled(), std::move(content));
}

Expected<void> TokenDecoder::add_strip(const JsonPart& part) {
  HEED_ASSIGN(const std::string content, part.need_text("content"));
  HEED_ASSIGN(const std::int64_t start, part.integer("start", 0, 16));
  HEED_ASSIGN(const std::int64_t stop, part.integer("stop", 0, 16));
  if (content != " " || stop != 0) return part.unsupported("expected spaces at the start alone");
  strips_ += static_cast<std::size_t>(start);
  return {};
}

Expected<void> TokenDecoder::add_metaspace(const JsonPart& part) {
  HEED_ASSIGN(std::string mark, part.text("replacement", std::string(kSpaceMark)));
  HEED_ASSIGN(const bool adds_space, part.flag("add_prefix_space", true));
  HEED_ASSIGN(const std::string scheme, part.text("prepend_scheme", adds_space ? "always" : "never"));
  if (scheme != "never") strips_ = 1;
  return replace(part, std::move(mark), " ");
}

Expected<void> TokenDecoder::add_word_piece(const JsonPart& part) {
  HEED_ASSIGN(inner_prefix_, part.text("prefix", "##"));
  HEED_ASSIGN(cleans_up_, part.flag("cleanup", true));
  separates_ = true;
  return {};
}

Expected<void> TokenDecoder::add(const JsonPart& part) {
  HEED_ASSIGN(const std::string type, part.need_text("type"));
  if (type == "Replace") return add_replace(part);
  if (type == "Strip") return add_strip(part);
  if (type == "Metaspace") return add_metaspace(part);
  if (type == "WordPiece") return add_word_piece(part);
  if (type == "Sequence") {
    HEED_ASSIGN(const std::vector<JsonPart> parts, part.parts("decoders"));
    for (const JsonPart& inner : parts) HEED_TRY(add(inner));
  } else if (type == "ByteLevel") {
    has_stand_ins_ = true;
  } else if (type == "ByteFallback") {
    has_bytes_ = true;
  } else if (type == "BPEDecoder") {
    HEED_ASSIGN(suffix_, part.text("suffix", "</w>"));
  } else if (type != "Fuse") {
    return part.unsupported("expected a decoder that heed knows, got " + type);
  }
  return {};
}

std::string TokenDecoder::bytes(std::string_view spelled, bool is_first) const {
  std::string text(spelled);
  const GrowthBound bound(spelled.size());
  for (const auto& [from, to] : replaced_)
    if (bound.holds(text.size())) text = replaced(text, from, to);
  if (const int byte = has_bytes_ ? byte_spelled(text) : -1; byte >= 0)
    return std::string(1, static_cast<char>(static_cast<unsigned char>(byte)));
  if (has_stand_ins_) text = bytes_of_stand_ins(text);
  if (!suffix_.empty()) text = replaced(text, suffix_, " ");
  if (separates_ && !is_first) {
    if (!inner_prefix_.empty() && text.starts_with(inner_prefix_)) {
      text.erase(0, inner_prefix_.size());
    } else {
      text.insert(0, " ");
    }
  }
  return cleans_up_ ? cleaned_up(std::move(text)) : text;
}

}  // namespace heed
