// methods.cc -- methods of str, list and dict. Those that would change their receiver do not exist, as in
// Jinja's immutable sandbox.
#include <algorithm>
#include <array>

#include "text/jinja/text_operations.h"

namespace heed::jinja {
namespace {

const Text& receiver(const Call& call) { return call.self.text(); }

template <Case wanted>
Expected<Value> method_case(const Call& call) {
  HEED_TRY(Arguments::bind(call, {}));
  return with_case(call.runtime.budget, receiver(call), wanted);
}

template <bool left, bool right>
Expected<Value> method_strip(const Call& call) {
  HEED_ASSIGN(const Arguments given, Arguments::bind(call, {"chars"}));
  return strip_text(call.runtime.budget, receiver(call), given.at(0), {.left = left, .right = right});
}

template <From side>
Expected<Value> method_split(const Call& call) {
  HEED_ASSIGN(const Arguments given, Arguments::bind(call, {"sep", "maxsplit"}));
  HEED_ASSIGN(const std::int64_t limit, given.integer(1, -1));
  std::optional<std::string_view> separator;
  if (!given.is_none(0)) {
    if (!given.at(0)->is(Kind::text))
      return type_error("must be str or None, not " + std::string(type_name(*given.at(0))));
    separator = given.at(0)->text().bytes;
  }
  return split_text(call.runtime.budget, receiver(call), separator, limit, side);
}

Expected<Value> method_splitlines(const Call& call) {
  HEED_ASSIGN(const Arguments given, Arguments::bind(call, {"keepends"}));
  HEED_TRY(call.runtime.budget.step(1 + static_cast<std::int64_t>(receiver(call).bytes.size() / 32)));
  std::vector<Range> lines = lines_of(receiver(call).bytes);
  for (std::size_t i = 0; given.flag(0, false) && i < lines.size(); ++i) {
    lines[i].to = i + 1 < lines.size() ? lines[i + 1].from : receiver(call).bytes.size();
  }
  return cut_list(call.runtime.budget, receiver(call), lines);
}

enum class End : std::uint8_t { front, back };

template <End end>
bool has_at_end(std::string_view text, std::string_view part) {
  return end == End::front ? text.starts_with(part) : text.ends_with(part);
}

template <End end>
Expected<Value> method_has_at_end(const Call& call) {
  HEED_ASSIGN(const Arguments given, Arguments::bind(call, {"prefix"}, 1));
  const Value& wanted = *given.at(0);
  if (wanted.is(Kind::text)) return Value::boolean(has_at_end<end>(receiver(call).bytes, wanted.text().bytes));
  const bool is_tuple = wanted.is(Kind::list) && wanted.list().flavor == Flavor::tuple;
  if (!is_tuple)
    return type_error("startswith/endswith: expected str or a tuple of str, not " + std::string(type_name(wanted)));
  for (const Value& candidate : wanted.list().items) {
    HEED_TRY(call.runtime.budget.step());
    if (!candidate.is(Kind::text)) return type_error("startswith/endswith: a tuple must only contain str");
    if (has_at_end<end>(receiver(call).bytes, candidate.text().bytes)) return Value::boolean(true);
  }
  return Value::boolean(false);
}

template <End end>
Expected<Value> method_remove_end(const Call& call) {
  HEED_ASSIGN(const Arguments given, Arguments::bind(call, {"prefix"}, 1));
  if (!given.at(0)->is(Kind::text)) return type_error("removeprefix/removesuffix: expected str");
  const std::string& part = given.at(0)->text().bytes;
  const std::string& bytes = receiver(call).bytes;
  const std::size_t drop = !part.empty() && has_at_end<end>(bytes, part) ? part.size() : 0;
  const std::size_t from = end == End::front ? drop : 0;
  HEED_ASSIGN(TextPtr rest, cut(call.runtime.budget, receiver(call), from, bytes.size() - drop + from));
  return Value(std::move(rest));
}

Expected<Value> method_replace(const Call& call) {
  HEED_ASSIGN(const Arguments given, Arguments::bind(call, {"old", "new", "count"}, 2));
  if (!given.at(0)->is(Kind::text) || !given.at(1)->is(Kind::text))
    return type_error("replace() arguments must be str");
  HEED_ASSIGN(const std::int64_t limit, given.integer(2, -1));
  return replace_text(call.runtime.budget, receiver(call), given.at(0)->text(), given.at(1)->text(), limit);
}

/// The searched part: [start, end) in characters, as byte offsets.
Expected<Range> searched_part(const Call& call, const Arguments& given) {
  const std::string& bytes = receiver(call).bytes;
  Range part{0, bytes.size()};
  if (given.is_none(1) && given.is_none(2)) return part;
  HEED_TRY(call.runtime.budget.step(static_cast<std::int64_t>(bytes.size() / 64)));
  const auto count = static_cast<std::int64_t>(character_count(bytes));
  const auto offset = [&](std::int64_t at) {
    at = std::clamp<std::int64_t>(at < 0 ? at + count : at, 0, count);
    return character_offset(bytes, static_cast<std::size_t>(at));
  };
  HEED_ASSIGN(const std::int64_t from, given.integer(1, 0));
  HEED_ASSIGN(const std::int64_t to, given.integer(2, count));
  part = {offset(from), offset(to)};
  part.to = std::max(part.from, part.to);
  return part;
}

enum class Search : std::uint8_t { find, rfind, index, count };

template <Search search>
Expected<Value> method_search(const Call& call) {
  HEED_ASSIGN(const Arguments given, Arguments::bind(call, {"sub", "start", "end"}, 1));
  if (!given.at(0)->is(Kind::text)) return type_error("must be str, not " + std::string(type_name(*given.at(0))));
  const std::string& needle = given.at(0)->text().bytes;
  HEED_ASSIGN(const Range part, searched_part(call, given));
  const std::string_view haystack = std::string_view(receiver(call).bytes).substr(0, part.to).substr(part.from);
  const bool untrusted = call.self.untrusted();
  HEED_TRY(call.runtime.budget.step(1 + static_cast<std::int64_t>((haystack.size() + needle.size()) / 32)));
  if (search == Search::count) {
    const Text view(nullptr, 0, std::string(haystack), {});
    HEED_ASSIGN(const std::vector<Range> found, occurrences(call.runtime.budget, view, needle, -1));
    return Value::integer(static_cast<std::int64_t>(found.size()), untrusted);
  }
  const std::size_t at = search == Search::rfind ? find_last(haystack, needle) : Searcher(needle).next(haystack, 0);
  if (at == std::string_view::npos) {
    if (search == Search::index) return type_error("substring not found");
    return Value::integer(-1, untrusted);
  }
  const std::string_view before = std::string_view(receiver(call).bytes).substr(0, part.from + at);
  return Value::integer(static_cast<std::int64_t>(character_count(before)), untrusted);
}

Expected<Value> method_join(const Call& call) {
  HEED_ASSIGN(const Arguments given, Arguments::bind(call, {"iterable"}, 1));
  HEED_ASSIGN(const auto list, iterate(call.runtime.budget, *given.at(0)));
  TextBuilder out(call.runtime.budget);
  bool first = true;
  for (const Value& item : list->items) {
    HEED_TRY(call.runtime.budget.step());
    if (!item.is(Kind::text))
      return type_error("join(): expected str instance, " + std::string(type_name(item)) + " found");
    if (!first) out.add(receiver(call));
    out.add(item.text());
    first = false;
  }
  return finished(out);
}

using CharacterTest = bool (*)(std::uint32_t);

template <CharacterTest test>
Expected<Value> method_all_are(const Call& call) {
  HEED_TRY(Arguments::bind(call, {}));
  const std::string& bytes = receiver(call).bytes;
  HEED_TRY(call.runtime.budget.step(1 + static_cast<std::int64_t>(bytes.size() / 32)));
  bool all = !bytes.empty();
  for (std::size_t at = 0; all && at < bytes.size(); at += character_at(bytes, at).bytes) {
    all = test(character_at(bytes, at).code);
  }
  return Value::boolean(all);
}

bool is_letter_or_digit(std::uint32_t code) { return is_letter(code) || is_digit(code); }
bool is_ascii(std::uint32_t code) { return code < 0x80; }
bool is_digit_code(std::uint32_t code) { return is_digit(code); }
bool is_letter_code(std::uint32_t code) { return is_letter(code); }
bool is_space_code(std::uint32_t code) { return is_space(code); }

/// str.isupper and str.islower: at least one cased character, none of the other case.
template <CharacterTest wanted, CharacterTest other>
Expected<Value> method_cased(const Call& call) {
  HEED_TRY(Arguments::bind(call, {}));
  const std::string& bytes = receiver(call).bytes;
  HEED_TRY(call.runtime.budget.step(1 + static_cast<std::int64_t>(bytes.size() / 32)));
  bool found = false;
  for (std::size_t at = 0; at < bytes.size(); at += character_at(bytes, at).bytes) {
    const std::uint32_t code = character_at(bytes, at).code;
    if (other(code)) return Value::boolean(false);
    found = found || wanted(code);
  }
  return Value::boolean(found);
}

bool is_upper_code(std::uint32_t code) { return is_upper(code); }
bool is_lower_code(std::uint32_t code) { return is_lower(code); }

template <bool left, bool right>
Expected<Value> method_pad(const Call& call) {
  HEED_ASSIGN(const Arguments given, Arguments::bind(call, {"width", "fillchar"}, 1));
  HEED_ASSIGN(const std::int64_t width, given.integer(0, 0));
  std::string_view fill = " ";
  if (given.has(1) && given.at(1)->is(Kind::text)) fill = given.at(1)->text().bytes;
  if (character_count(fill) != 1) return type_error("The fill character must be exactly one character long");
  return pad_text(call.runtime.budget, receiver(call), {.width = width, .fill = fill, .left = left, .right = right});
}

template <From side>
Expected<Value> method_partition(const Call& call) {
  HEED_ASSIGN(const Arguments given, Arguments::bind(call, {"sep"}, 1));
  if (!given.at(0)->is(Kind::text) || given.at(0)->text().bytes.empty())
    return type_error("partition(): expected a separator");
  const std::string& bytes = receiver(call).bytes;
  const std::string& separator = given.at(0)->text().bytes;
  HEED_TRY(call.runtime.budget.step(1 + static_cast<std::int64_t>(bytes.size() / 32)));
  const std::size_t at = side == From::left ? Searcher(separator).next(bytes, 0) : find_last(bytes, separator);
  std::vector<Range> parts{{0, at}, {at, at + separator.size()}, {at + separator.size(), bytes.size()}};
  if (at == std::string::npos) {
    parts = {{0, 0}, {0, 0}, {0, 0}};
    parts[side == From::left ? 0 : 2] = {0, bytes.size()};
  }
  HEED_ASSIGN(const Value list, cut_list(call.runtime.budget, receiver(call), parts));
  return make_list(call.runtime.budget, list.list().items, Flavor::tuple);
}

Expected<Value> method_get(const Call& call) {
  HEED_ASSIGN(const Arguments given, Arguments::bind(call, {"key", "default"}, 1));
  HEED_TRY(canonical_key(*given.at(0)));
  if (const Value* value = call.self.dict().find(*given.at(0)); value != nullptr) return *value;
  return given.has(1) ? *given.at(1) : Value::none();
}

template <Flavor flavor>
Expected<Value> method_view(const Call& call) {
  HEED_TRY(Arguments::bind(call, {}));
  Budget& budget = call.runtime.budget;
  std::vector<Value> items;
  for (const auto& [key, value] : call.self.dict().entries) {
    HEED_TRY(budget.step());
    if (flavor == Flavor::items) {
      HEED_ASSIGN(Value pair, make_list(budget, {key, value}, Flavor::tuple, call.self.untrusted()));
      items.push_back(std::move(pair));
    } else {
      items.push_back(flavor == Flavor::keys ? key : value);
    }
  }
  return make_list(budget, std::move(items), flavor, call.self.untrusted());
}

Expected<Value> method_copy(const Call& call) {  // values cannot change, so a copy is the value itself
  HEED_TRY(Arguments::bind(call, {}));
  return call.self;
}

enum class ListSearch : std::uint8_t { count, index };

template <ListSearch search>
Expected<Value> method_list_search(const Call& call) {
  HEED_ASSIGN(const Arguments given, Arguments::bind(call, {"value"}, 1));
  const auto& items = call.self.list().items;
  std::int64_t count = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    HEED_ASSIGN(const bool same, equal(call.runtime.budget, items[i], *given.at(0)));
    if (same && search == ListSearch::index) return Value::integer(static_cast<std::int64_t>(i));
    count += same ? 1 : 0;
  }
  if (search == ListSearch::index) return type_error("the value is not in the list");
  return Value::integer(count);
}

constexpr std::array kTextMethods{
    NamedFunction{"strip", method_strip<true, true>},
    NamedFunction{"lstrip", method_strip<true, false>},
    NamedFunction{"rstrip", method_strip<false, true>},
    NamedFunction{"split", method_split<From::left>},
    NamedFunction{"rsplit", method_split<From::right>},
    NamedFunction{"splitlines", method_splitlines},
    NamedFunction{"startswith", method_has_at_end<End::front>},
    NamedFunction{"endswith", method_has_at_end<End::back>},
    NamedFunction{"removeprefix", method_remove_end<End::front>},
    NamedFunction{"removesuffix", method_remove_end<End::back>},
    NamedFunction{"upper", method_case<Case::upper>},
    NamedFunction{"lower", method_case<Case::lower>},
    NamedFunction{"casefold", method_case<Case::lower>},
    NamedFunction{"title", method_case<Case::words>},
    NamedFunction{"capitalize", method_case<Case::capitalized>},
    NamedFunction{"swapcase", method_case<Case::swapped>},
    NamedFunction{"replace", method_replace},
    NamedFunction{"find", method_search<Search::find>},
    NamedFunction{"rfind", method_search<Search::rfind>},
    NamedFunction{"index", method_search<Search::index>},
    NamedFunction{"count", method_search<Search::count>},
    NamedFunction{"join", method_join},
    NamedFunction{"format", method_format},
    NamedFunction{"isdigit", method_all_are<is_digit_code>},
    NamedFunction{"isdecimal", method_all_are<is_digit_code>},
    NamedFunction{"isnumeric", method_all_are<is_digit_code>},
    NamedFunction{"isalpha", method_all_are<is_letter_code>},
    NamedFunction{"isalnum", method_all_are<is_letter_or_digit>},
    NamedFunction{"isspace", method_all_are<is_space_code>},
    NamedFunction{"isascii", method_all_are<is_ascii>},
    NamedFunction{"isupper", method_cased<is_upper_code, is_lower_code>},
    NamedFunction{"islower", method_cased<is_lower_code, is_upper_code>},
    NamedFunction{"ljust", method_pad<false, true>},
    NamedFunction{"rjust", method_pad<true, false>},
    NamedFunction{"center", method_pad<true, true>},
    NamedFunction{"partition", method_partition<From::left>},
    NamedFunction{"rpartition", method_partition<From::right>},
};
constexpr std::array kDictMethods{
    NamedFunction{"get", method_get},
    NamedFunction{"items", method_view<Flavor::items>},
    NamedFunction{"keys", method_view<Flavor::keys>},
    NamedFunction{"values", method_view<Flavor::values>},
    NamedFunction{"copy", method_copy},
};
constexpr std::array kListMethods{
    NamedFunction{"count", method_list_search<ListSearch::count>},
    NamedFunction{"index", method_list_search<ListSearch::index>},
    NamedFunction{"copy", method_copy},
};

}  // namespace

NativeFunction find_method(const Value& self, std::string_view name) noexcept {
  if (self.is(Kind::text)) return find_in(kTextMethods.data(), kTextMethods.size(), name);
  if (self.is(Kind::dict)) return find_in(kDictMethods.data(), kDictMethods.size(), name);
  if (!self.is(Kind::list) || self.list().flavor > Flavor::range) return nullptr;
  if (name == "copy" && self.list().flavor != Flavor::list) return nullptr;
  return find_in(kListMethods.data(), kListMethods.size(), name);
}

}  // namespace heed::jinja
