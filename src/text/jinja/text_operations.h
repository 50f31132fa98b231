// text_operations.h -- operations on marked text that filters and str methods share.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "text/jinja/characters.h"
#include "text/jinja/runtime.h"

namespace heed::jinja {

enum class Case : std::uint8_t {
  upper,
  lower,
  swapped,
  capitalized,  // the first character upper, the rest lower
  words,        // str.title: upper after anything without case
  spaced_words  // Jinja's title filter: upper after white space, '-' and opening brackets
};
Expected<Value> with_case(Budget& budget, const Text& text, Case wanted);

Expected<Value> strip_text(Budget& budget, const Text& text, const Value* set, StripOptions sides);

/// Occurrences of `needle` without overlap, left to right, at most `limit` (negative: all).
Expected<std::vector<Range>> occurrences(Budget& budget, const Text& text, std::string_view needle, std::int64_t limit);
Expected<Value> replace_text(Budget& budget, const Text& text, const Text& old, const Text& replacement,
                             std::int64_t limit);

/// Cuts out the ranges and makes a list of them.
Expected<Value> cut_list(Budget& budget, const Text& text, const std::vector<Range>& ranges);
/// str.split: by white space when there is no separator.
enum class From : std::uint8_t { left, right };
Expected<Value> split_text(Budget& budget, const Text& text, std::optional<std::string_view> separator,
                           std::int64_t limit, From side);

/// & < > " ' as HTML's entities.
Expected<Value> escape_text(Budget& budget, const Text& text);

/// Fills up to `width` characters; `left` and `right` say which sides get the fill.
struct Padding {
  std::int64_t width = 0;
  std::string_view fill = " ";
  bool left = false;
  bool right = false;
};
Expected<Value> pad_text(Budget& budget, const Text& text, Padding padding);

Expected<Value> finished(TextBuilder& out);

}  // namespace heed::jinja
