// json_pattern.h -- "pattern" of tokenizer.json: {"String": text} or {"Regex": expression}.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>

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

  /// visit(begin, end) for each match of valid UTF-8, from the left.
  void each_match(std::string_view text, const std::function<void(std::size_t, std::size_t)>& visit) const {
    if (regex_) return regex_->each_match(text, Regex::Empty::visit, visit);
    if (text_.empty()) return;
    for (std::size_t at = text.find(text_); at != std::string_view::npos; at = text.find(text_, at + text_.size()))
      visit(at, at + text_.size());
  }

  bool is_regex() const noexcept { return regex_.has_value(); }
  const std::string& spelled() const noexcept { return text_; }

 private:
  std::string text_;
  std::optional<Regex> regex_;
};

}  // namespace heed
