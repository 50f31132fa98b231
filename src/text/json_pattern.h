// json_pattern.h -- "pattern" of tokenizer.json: {"String": text} or {"Regex": expression}; and what replaces its
// matches.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "text/growth_bound.h"
#include "text/json_fields.h"
#include "text/regex.h"

namespace heed {

class JsonPattern {
 public:
  static Expected<JsonPattern> read(const JsonPart& part) {
    JsonPattern out;
    HEED_ASSIGN(out.text_, part.text("String", {}));
    if (part.find("String") != nullptr) return out;
    HEED_ASSIGN(out.text_, part.need_text("Regex"));
    auto regex = Regex::compile_oniguruma(out.text_);
    if (!regex)
      return fail(regex.error().code, "tokenizer.json: " + part.name() + ": " + regex.error().text, part.name());
    out.regex_ = std::move(*regex);
    return out;
  }

  /// Room to search in, for many texts on one thread; lives no longer than its pattern.
  class Search {
   public:
    explicit Search(const JsonPattern& pattern) : text_(pattern.text_) {
      if (pattern.regex_) regex_.emplace(*pattern.regex_);
    }

    /// visit(begin, end) for each match of valid UTF-8, from the left.
    template <class Visit>
    void each_match(std::string_view text, const Visit& visit) {
      if (regex_) return regex_->each_match(text, Regex::Empty::visit, visit);
      if (text_.empty()) return;
      for (std::size_t at = text.find(text_); at != std::string_view::npos; at = text.find(text_, at + text_.size()))
        visit(at, at + text_.size());
    }

   private:
    std::string_view text_;
    std::optional<Regex::Search> regex_;
  };

  bool is_regex() const noexcept { return regex_.has_value(); }
  const std::string& spelled() const noexcept { return text_; }

 private:
  std::string text_;
  std::optional<Regex> regex_;
};

/// A text that steps put into others. Errors: malformed, also for a long one.
inline Expected<std::string> read_replacement(const JsonPart& part, const char* key) {
  HEED_ASSIGN(std::string text, part.need_text(key));
  if (text.size() <= kLongestReplacement) return text;
  return part.malformed("expected a text of at most " + std::to_string(kLongestReplacement) + " bytes, got " +
                        std::to_string(text.size()));
}

}  // namespace heed
