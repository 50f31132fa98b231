// spelling.cc -- str() and repr() of values, as Python writes them. Spelling of untrusted scalars stays untrusted.
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "text/jinja/characters.h"
#include "text/jinja/value.h"

namespace heed::jinja {
namespace {

/// Digits and decimal exponent of the shortest spelling: "12345", 2 for 123.45.
struct Shortest {
  std::string digits;
  int exponent = 0;
};

Shortest shortest(double value) {
  std::array<char, 64> buffer{};
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific).ptr;
  const std::string_view spelled(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
  const std::size_t at = spelled.find('e');
  Shortest result;
  for (const char c : spelled.substr(0, at)) {
    if (c != '.') result.digits.push_back(c);
  }
  std::string_view exponent = spelled.substr(at + 1);
  if (exponent.front() == '+') exponent.remove_prefix(1);
  std::from_chars(exponent.data(), exponent.data() + exponent.size(), result.exponent);
  return result;
}

void append_escape(std::string& out, std::uint32_t code) {
  std::array<char, 16> buffer{};
  if (code >= 0xDC80 && code <= 0xDCFF) code -= 0xDC00;  // a broken byte
  const char* format = code < 0x100 ? "\\x%02x" : code < 0x10000 ? "\\u%04x" : "\\U%08x";
  std::snprintf(buffer.data(), buffer.size(), format, code);
  out += buffer.data();
}

void append_text_repr(TextBuilder& out, const Text& text) {
  const bool trusted = text.fully_trusted();
  const bool double_quoted = text.bytes.find('\'') != std::string::npos && text.bytes.find('"') == std::string::npos;
  const char quote = double_quoted ? '"' : '\'';
  out.add(std::string_view(&quote, 1), trusted);
  std::size_t plain_from = 0;
  for (std::size_t at = 0; at < text.bytes.size() && !out.exhausted();) {
    const Character character = character_at(text.bytes, at);
    const bool escaped = character.code == '\\' || character.code == static_cast<unsigned char>(quote);
    if (escaped || !is_printable(character.code)) {
      out.add(text, plain_from, at);
      std::string spelled;
      switch (character.code) {
        case '\n':
          spelled = "\\n";
          break;
        case '\r':
          spelled = "\\r";
          break;
        case '\t':
          spelled = "\\t";
          break;
        default:
          if (escaped) spelled = {'\\', static_cast<char>(character.code)};
          if (!escaped) append_escape(spelled, character.code);
      }
      out.add(spelled, text.trusted_at(at));
      plain_from = at + character.bytes;
    }
    at += character.bytes;
  }
  out.add(text, plain_from, text.bytes.size());
  out.add(std::string_view(&quote, 1), trusted);
}

std::pair<std::string_view, std::string_view> brackets(Flavor flavor) {
  switch (flavor) {
    case Flavor::tuple:
    case Flavor::group:
      return {"(", ")"};
    case Flavor::keys:
      return {"dict_keys([", "])"};
    case Flavor::values:
      return {"dict_values([", "])"};
    case Flavor::items:
      return {"dict_items([", "])"};
    default:
      return {"[", "]"};
  }
}

Expected<void> append_list(TextBuilder& out, Budget& budget, const Value& value) {
  const List& list = value.list();
  const bool trusted = !value.untrusted();
  if (list.flavor == Flavor::generator) {
    out.add("<generator object>", trusted);
    return budget.step();
  }
  if (list.flavor == Flavor::range) {  // only steps of one are told apart here
    const std::int64_t from = list.items.empty() ? 0 : list.items.front().whole();
    const std::int64_t to = list.items.empty() ? 0 : list.items.back().whole() + 1;
    out.add("range(" + std::to_string(from) + ", " + std::to_string(to) + ")", trusted);
    return budget.step();
  }
  const auto [open, close] = brackets(list.flavor);
  out.add(open, trusted);
  for (std::size_t i = 0; i < list.items.size(); ++i) {
    if (i > 0) out.add(", ", trusted);
    HEED_TRY(append_repr(out, budget, list.items[i]));
  }
  const bool is_tuple = list.flavor == Flavor::tuple || list.flavor == Flavor::group;
  if (is_tuple && list.items.size() == 1) out.add(",", trusted);
  out.add(close, trusted);
  return budget.step();
}

Expected<void> append_dict(TextBuilder& out, Budget& budget, const Value& value) {
  const bool trusted = !value.untrusted();
  bool first = true;
  out.add("{", trusted);
  for (const auto& [key, item] : value.dict().entries) {
    if (!first) out.add(", ", trusted);
    first = false;
    HEED_TRY(append_repr(out, budget, key));
    out.add(": ", trusted);
    HEED_TRY(append_repr(out, budget, item));
  }
  out.add("}", trusted);
  return budget.step();
}

}  // namespace

std::string real_repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  std::string out = std::signbit(value) ? "-" : "";
  Shortest spelled = shortest(std::abs(value));
  const int digits = static_cast<int>(spelled.digits.size());
  if (spelled.exponent < -4 || spelled.exponent >= 16) {
    out += spelled.digits.substr(0, 1);
    if (digits > 1) out += "." + spelled.digits.substr(1);
    std::array<char, 16> exponent{};
    std::snprintf(exponent.data(), exponent.size(), "e%c%02d", spelled.exponent < 0 ? '-' : '+',
                  std::abs(spelled.exponent));
    return out + exponent.data();
  }
  if (spelled.exponent < 0) {
    return out + "0." + std::string(static_cast<std::size_t>(-spelled.exponent - 1), '0') + spelled.digits;
  }
  if (digits <= spelled.exponent + 1) {
    return out + spelled.digits +
           std::string(static_cast<std::size_t>(std::int64_t{spelled.exponent} + 1 - digits), '0') + ".0";
  }
  const auto whole = static_cast<std::size_t>(spelled.exponent) + 1;
  return out + spelled.digits.substr(0, whole) + "." + spelled.digits.substr(whole);
}

Expected<void> append_repr(TextBuilder& out, Budget& budget, const Value& value) {
  HEED_TRY(budget.step());
  const bool trusted = !value.untrusted();
  switch (value.kind()) {
    case Kind::undefined:
      out.add("Undefined", trusted);
      return {};
    case Kind::none:
      out.add("None", trusted);
      return {};
    case Kind::boolean:
      out.add(value.whole() != 0 ? "True" : "False", trusted);
      return {};
    case Kind::integer:
      out.add(std::to_string(value.whole()), trusted);
      return {};
    case Kind::real:
      out.add(real_repr(value.number()), trusted);
      return {};
    case Kind::text:
      append_text_repr(out, value.text());
      return budget.check();
    case Kind::list:
      return append_list(out, budget, value);
    case Kind::dict:
      return append_dict(out, budget, value);
    default:
      out.add("<" + std::string(type_name(value)) + ">", trusted);
      return {};
  }
}

Expected<void> append_text(TextBuilder& out, Budget& budget, const Value& value) {
  if (value.is(Kind::text)) {
    out.add(value.text());
    return budget.step();
  }
  if (value.is(Kind::undefined)) return budget.step();
  return append_repr(out, budget, value);
}

Expected<TextPtr> to_text(Budget& budget, const Value& value) {
  if (value.is(Kind::text)) return value.text_pointer();
  TextBuilder out(budget);
  HEED_TRY(append_text(out, budget, value));
  return out.finish();
}

}  // namespace heed::jinja
