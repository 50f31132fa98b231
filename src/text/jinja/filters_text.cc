// filters_text.cc -- filters over str. Whatever is filtered is turned into text first, as Jinja's soft_str does.
#include <array>

#include "text/jinja/filters.h"
#include "text/jinja/text_operations.h"

namespace heed::jinja {
namespace {

template <Case wanted>
Expected<Value> filter_case(const Call& call) {
  HEED_TRY(Arguments::bind(call, {}));
  HEED_ASSIGN(const TextPtr text, to_text(call.runtime.budget, call.self));
  return with_case(call.runtime.budget, *text, wanted);
}

Expected<Value> filter_trim(const Call& call) {
  HEED_ASSIGN(const Arguments given, Arguments::bind(call, {"chars"}));
  HEED_ASSIGN(const TextPtr text, to_text(call.runtime.budget, call.self));
  return strip_text(call.runtime.budget, *text, given.at(0), {});
}

Expected<Value> filter_string(const Call& call) {
  HEED_TRY(Arguments::bind(call, {}));
  HEED_ASSIGN(TextPtr text, to_text(call.runtime.budget, call.self));
  return Value(std::move(text));
}

Expected<Value> filter_replace(const Call& call) {
  HEED_ASSIGN(const Arguments given, Arguments::bind(call, {"old", "new", "count"}, 2));
  Budget& budget = call.runtime.budget;
  HEED_ASSIGN(const TextPtr text, to_text(budget, call.self));
  HEED_ASSIGN(const TextPtr old, given.text(budget, 0));
  HEED_ASSIGN(const TextPtr replacement, given.text(budget, 1));
  std::int64_t limit = -1;
  if (!given.is_none(2)) {
    HEED_ASSIGN(limit, given.integer(2, -1));
  }
  return replace_text(budget, *text, *old, *replacement, limit);
}

Expected<Value> filter_forceescape(const Call& call) {
  HEED_TRY(Arguments::bind(call, {}));
  HEED_ASSIGN(const TextPtr text, to_text(call.runtime.budget, call.self));
  HEED_ASSIGN(Value escaped, escape_text(call.runtime.budget, *text));
  return std::move(escaped).as_markup();
}

Expected<Value> filter_escape(const Call& call) { return call.self.is_markup() ? call.self : filter_forceescape(call); }

Expected<Value> filter_safe(const Call& call) {
  HEED_ASSIGN(Value text, filter_string(call));
  return std::move(text).as_markup();
}

/// Markup stays what it is.
template <NativeFunction filter>
Expected<Value> kept(const Call& call) {
  HEED_ASSIGN(Value text, filter(call));
  return call.self.is_markup() ? std::move(text).as_markup() : std::move(text);
}

Expected<TextPtr> indention(const Call& call, const Arguments& given) {
  if (given.has(0) && given.at(0)->is(Kind::text)) return given.at(0)->text_pointer();
  HEED_ASSIGN(const std::int64_t width, given.integer(0, 4));
  HEED_ASSIGN(const TextPtr empty, made_text(call.runtime.budget, "", true));
  HEED_ASSIGN(const Value spaces, pad_text(call.runtime.budget, *empty, {.width = width, .right = true}));
  return spaces.text_pointer();
}

Expected<Value> filter_indent(const Call& call) {
  HEED_ASSIGN(const Arguments given, Arguments::bind(call, {"width", "first", "blank"}));
  Budget& budget = call.runtime.budget;
  HEED_ASSIGN(const TextPtr indent, indention(call, given));
  HEED_ASSIGN(const TextPtr text, to_text(budget, call.self));
  HEED_TRY(budget.step(1 + static_cast<std::int64_t>(text->bytes.size() / 32)));
  const std::vector<Range> lines = lines_of(text->bytes + "\n");  // Jinja appends one, too
  TextBuilder out(budget);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    HEED_TRY(budget.step());
    const bool is_blank = lines[i].from == lines[i].to;
    if (i > 0) out.add("\n", text->trusted_at(lines[i].from - 1));
    if (i == 0 ? given.flag(1, false) : given.flag(2, false) || !is_blank) out.add(*indent);
    out.add(*text, lines[i].from, lines[i].to);
  }
  return finished(out);
}

Expected<Value> filter_wordcount(const Call& call) {
  HEED_TRY(Arguments::bind(call, {}));
  HEED_ASSIGN(const TextPtr text, to_text(call.runtime.budget, call.self));
  HEED_TRY(call.runtime.budget.step(1 + static_cast<std::int64_t>(text->bytes.size() / 32)));
  std::int64_t words = 0;
  bool in_word = false;
  for (std::size_t at = 0; at < text->bytes.size();) {
    const Character character = character_at(text->bytes, at);
    const bool belongs = character.code == '_' || is_letter(character.code) || is_digit(character.code);
    words += belongs && !in_word ? 1 : 0;
    in_word = belongs;
    at += character.bytes;
  }
  return Value::integer(words, call.self.untrusted());
}

Expected<Value> filter_format(const Call& call) {
  HEED_ASSIGN(TextPtr text, to_text(call.runtime.budget, call.self));
  if (!call.named.empty()) return fail(Code::unsupported, "chat template: format: named arguments are not supported");
  return format_percent(call.runtime, Value(std::move(text)), call.arguments);
}

Expected<Value> filter_center(const Call& call) {
  HEED_ASSIGN(const Arguments given, Arguments::bind(call, {"width"}));
  HEED_ASSIGN(const std::int64_t width, given.integer(0, 80));
  HEED_ASSIGN(const TextPtr text, to_text(call.runtime.budget, call.self));
  return pad_text(call.runtime.budget, *text, {.width = width, .left = true, .right = true});
}

constexpr std::array kTextFilters{
    NamedFunction{"upper", kept<filter_case<Case::upper>>},
    NamedFunction{"lower", kept<filter_case<Case::lower>>},
    NamedFunction{"title", filter_case<Case::spaced_words>},
    NamedFunction{"capitalize", kept<filter_case<Case::capitalized>>},
    NamedFunction{"trim", kept<filter_trim>},
    NamedFunction{"string", kept<filter_string>},
    NamedFunction{"safe", filter_safe},
    NamedFunction{"replace", filter_replace},
    NamedFunction{"escape", filter_escape},
    NamedFunction{"e", filter_escape},
    NamedFunction{"forceescape", filter_forceescape},
    NamedFunction{"indent", kept<filter_indent>},
    NamedFunction{"wordcount", filter_wordcount},
    NamedFunction{"format", filter_format},
    NamedFunction{"center", kept<filter_center>},
    NamedFunction{"tojson", filter_tojson},
};

}  // namespace

std::span<const NamedFunction> text_filters() noexcept { return kTextFilters; }

}  // namespace heed::jinja
