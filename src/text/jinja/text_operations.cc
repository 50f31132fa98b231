// text_operations.cc -- case, strip, search, replace, split and padding that keep every character's author.
#include "text/jinja/text_operations.h"

#include <algorithm>

namespace heed::jinja {
namespace {

constexpr std::uint32_t kSharpS = 0xDF;

std::string_view entity(char c) {
  switch (c) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '"':
      return "&#34;";
    case '\'':
      return "&#39;";
    default:
      return {};
  }
}

bool has_case(std::uint32_t code) { return is_upper(code) || is_lower(code); }

void append_upper(std::string& out, std::uint32_t code, Case wanted) {
  const bool titled = wanted == Case::capitalized || wanted == Case::words;
  if (code == kSharpS) {
    out += titled ? "Ss" : "SS";
  } else {
    append_utf8(out, titled ? title_of(code) : upper_of(code));
  }
}

bool opens_word(std::uint32_t code) {
  return code == '-' || code == '(' || code == '{' || code == '[' || code == '<' || is_space(code);
}

/// Decides, character by character, which case is due.
class CaseWalk {
 public:
  explicit CaseWalk(Case wanted) : wanted_(wanted) {}
  bool upper_due(std::uint32_t code) {
    const bool due = starts_ || wanted_ == Case::upper || (wanted_ == Case::swapped && is_lower(code));
    if (wanted_ == Case::capitalized) starts_ = false;
    if (wanted_ == Case::words) starts_ = !has_case(code);
    if (wanted_ == Case::spaced_words) starts_ = opens_word(code);
    return due && !(wanted_ == Case::lower) && !(wanted_ == Case::swapped && is_upper(code));
  }

 private:
  Case wanted_;
  bool starts_ = wanted_ == Case::capitalized || wanted_ == Case::words || wanted_ == Case::spaced_words;
};

std::vector<Range> split_at_space(std::string_view text, std::int64_t limit) {
  std::vector<Range> parts;
  std::size_t at = stripped(text, {.right = false}).from;
  while (at < text.size()) {
    if (limit >= 0 && static_cast<std::int64_t>(parts.size()) == limit) {
      parts.push_back({at, text.size()});
      break;
    }
    std::size_t end = at;
    while (end < text.size() && !is_space(character_at(text, end).code)) end += character_at(text, end).bytes;
    parts.push_back({at, end});
    at = end;
    while (at < text.size() && is_space(character_at(text, at).code)) at += character_at(text, at).bytes;
  }
  return parts;
}

std::vector<Range> split_at_space_from_right(std::string_view text, std::int64_t limit) {
  std::vector<Range> parts;
  std::size_t end = stripped(text, {.left = false}).to;
  while (end > 0) {
    if (limit >= 0 && static_cast<std::int64_t>(parts.size()) == limit) {
      parts.push_back({0, end});
      break;
    }
    std::size_t from = end;
    while (from > 0 && !is_space(character_before(text, from).code)) from -= character_before(text, from).bytes;
    parts.push_back({from, end});
    end = from;
    while (end > 0 && is_space(character_before(text, end).code)) end -= character_before(text, end).bytes;
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<Range> split_at(std::size_t size, const std::vector<Range>& separators) {
  std::vector<Range> parts;
  std::size_t from = 0;
  for (const Range& separator : separators) {
    parts.push_back({from, separator.from});
    from = separator.to;
  }
  parts.push_back({from, size});
  return parts;
}

/// The last `limit` occurrences without overlap, counted from the right, in ascending order.
std::vector<Range> occurrences_from_right(std::string_view text, std::string_view needle, std::int64_t limit) {
  const std::string backwards(text.rbegin(), text.rend());
  const std::string needle_backwards(needle.rbegin(), needle.rend());
  const Searcher searcher(needle_backwards);
  std::vector<Range> found;
  std::size_t at = 0;
  while (limit < 0 || static_cast<std::int64_t>(found.size()) < limit) {
    at = searcher.next(backwards, at);
    if (at == std::string::npos) break;
    found.push_back({text.size() - at - needle.size(), text.size() - at});
    at += needle.size();
  }
  std::reverse(found.begin(), found.end());
  return found;
}

Expected<void> charge_scan(Budget& budget, std::string_view text) {
  return budget.step(1 + static_cast<std::int64_t>(text.size() / 32));
}

}  // namespace

Expected<Value> finished(TextBuilder& out) {
  HEED_ASSIGN(TextPtr text, out.finish());
  return Value(std::move(text));
}

Expected<Value> with_case(Budget& budget, const Text& text, Case wanted) {
  HEED_TRY(charge_scan(budget, text.bytes));
  TextBuilder out(budget);
  CaseWalk walk(wanted);
  for (std::size_t at = 0; at < text.bytes.size() && !out.exhausted();) {
    const Character character = character_at(text.bytes, at);
    std::string spelled;
    if (walk.upper_due(character.code)) {
      append_upper(spelled, character.code, wanted);
    } else {
      append_utf8(spelled, lower_of(character.code));
    }
    out.add(spelled, text.trusted_at(at));
    at += character.bytes;
  }
  return finished(out);
}

Expected<Value> strip_text(Budget& budget, const Text& text, const Value* set, StripOptions sides) {
  if (set != nullptr && !set->is(Kind::none)) {
    if (!set->is(Kind::text)) return type_error("strip arg must be None or str");
    sides.any_space = false;
    sides.set = set->text().bytes;
  }
  HEED_TRY(charge_scan(budget, sides.set));
  const Range rest = stripped(text.bytes, sides);
  if (rest.from == 0 && rest.to == text.bytes.size()) {
    TextBuilder whole(budget);
    whole.add(text);
    return finished(whole);
  }
  HEED_ASSIGN(TextPtr result, cut(budget, text, rest.from, rest.to));
  return Value(std::move(result));
}

Expected<std::vector<Range>> occurrences(Budget& budget, const Text& text, std::string_view needle,
                                         std::int64_t limit) {
  HEED_TRY(charge_scan(budget, text.bytes));
  HEED_TRY(charge_scan(budget, needle));
  const Searcher searcher(needle);
  std::vector<Range> found;
  std::size_t at = 0;
  while (limit < 0 || static_cast<std::int64_t>(found.size()) < limit) {
    at = at <= text.bytes.size() ? searcher.next(text.bytes, at) : std::string::npos;
    if (at == std::string::npos) break;
    HEED_TRY(budget.step());
    found.push_back({at, at + needle.size()});
    at += needle.size();
    if (needle.empty()) at += at < text.bytes.size() ? character_at(text.bytes, at).bytes : 1;
  }
  return found;
}

Expected<Value> replace_text(Budget& budget, const Text& text, const Text& old, const Text& replacement,
                             std::int64_t limit) {
  HEED_ASSIGN(const std::vector<Range> found, occurrences(budget, text, old.bytes, limit));
  TextBuilder out(budget);
  std::size_t from = 0;
  for (const Range& range : found) {
    out.add(text, from, range.from).add(replacement);
    from = range.to;
    HEED_TRY(budget.step());
  }
  out.add(text, from, text.bytes.size());
  return finished(out);
}

Expected<Value> cut_list(Budget& budget, const Text& text, const std::vector<Range>& ranges) {
  std::vector<Value> parts;
  for (const Range& range : ranges) {
    HEED_TRY(budget.step());
    HEED_ASSIGN(TextPtr part, cut(budget, text, range.from, range.to));
    parts.emplace_back(std::move(part));
  }
  return make_list(budget, std::move(parts));
}

Expected<Value> split_text(Budget& budget, const Text& text, std::optional<std::string_view> separator,
                           std::int64_t limit, From side) {
  HEED_TRY(charge_scan(budget, text.bytes));
  if (!separator) {
    return cut_list(
        budget, text,
        side == From::left ? split_at_space(text.bytes, limit) : split_at_space_from_right(text.bytes, limit));
  }
  if (separator->empty()) return type_error("empty separator");
  if (side == From::right) {
    return cut_list(budget, text, split_at(text.bytes.size(), occurrences_from_right(text.bytes, *separator, limit)));
  }
  HEED_ASSIGN(const std::vector<Range> found, occurrences(budget, text, *separator, limit));
  return cut_list(budget, text, split_at(text.bytes.size(), found));
}

Expected<Value> escape_text(Budget& budget, const Text& text) {
  HEED_TRY(budget.step(1 + static_cast<std::int64_t>(text.bytes.size() / 64)));
  TextBuilder out(budget);
  std::size_t plain_from = 0;
  for (std::size_t at = 0; at < text.bytes.size() && !out.exhausted(); ++at) {
    const std::string_view escaped = entity(text.bytes[at]);
    if (escaped.empty()) continue;
    out.add(text, plain_from, at).add(escaped, text.trusted_at(at));
    plain_from = at + 1;
  }
  out.add(text, plain_from, text.bytes.size());
  return finished(out);
}

Expected<Value> pad_text(Budget& budget, const Text& text, Padding padding) {
  HEED_TRY(charge_scan(budget, text.bytes));
  const std::int64_t missing = padding.width - static_cast<std::int64_t>(character_count(text.bytes));
  if (missing > 0 && !budget.fits(static_cast<std::size_t>(missing))) return Budget::over_memory();
  const auto total = static_cast<std::size_t>(std::max<std::int64_t>(missing, 0));
  // str.center gives the odd character to the left when the width is odd
  const std::size_t odd = total & static_cast<std::size_t>(padding.width) & 1U;
  const std::size_t left = padding.left && padding.right ? total / 2 + odd : padding.left ? total : 0;
  TextBuilder out(budget);
  for (std::size_t i = 0; i < left && !out.exhausted(); ++i) out.add(padding.fill, true);
  out.add(text);
  for (std::size_t i = left; i < total && padding.right && !out.exhausted(); ++i) out.add(padding.fill, true);
  return finished(out);
}

}  // namespace heed::jinja
