// formatting.cc -- '%s' % x and '{}'.format(x), the parts of them that templates use.
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "text/jinja/text_operations.h"

namespace heed::jinja {
namespace {

constexpr std::int64_t kMaxWidth = 1000;
constexpr std::int64_t kMaxPrecision = 60;

/// One conversion of a % format: %[flags][width][.precision]kind.
struct Conversion {
  bool left = false;
  bool zero = false;
  bool plus = false;
  std::int64_t width = 0;
  std::int64_t precision = -1;
  char kind = 's';
};

Error bad_format(const std::string& what) { return type_error("format: " + what); }

Expected<std::int64_t> read_number(std::string_view format, std::size_t& at, std::int64_t limit) {
  std::int64_t number = 0;
  while (at < format.size() && format[at] >= '0' && format[at] <= '9') {
    number = number * 10 + (format[at++] - '0');
    if (number > limit) return bad_format("width or precision is too large");
  }
  return number;
}

/// Reads after the '%'; `at` ends behind the kind.
Expected<Conversion> read_conversion(std::string_view format, std::size_t& at) {
  Conversion conversion;
  for (; at < format.size() && std::string_view("-0+ #").find(format[at]) != std::string_view::npos; ++at) {
    conversion.left = conversion.left || format[at] == '-';
    conversion.zero = conversion.zero || format[at] == '0';
    conversion.plus = conversion.plus || format[at] == '+';
  }
  HEED_ASSIGN(conversion.width, read_number(format, at, kMaxWidth));
  if (at < format.size() && format[at] == '.') {
    ++at;
    HEED_ASSIGN(conversion.precision, read_number(format, at, kMaxPrecision));
  }
  if (at >= format.size()) return bad_format("incomplete format");
  conversion.kind = format[at++];
  return conversion;
}

Expected<std::string> spelled_number(const Conversion& conversion, const Value& value) {
  const std::string kind(1, conversion.kind);
  if (!value.is_number()) {
    return bad_format("%" + kind + " format: a real number is required, not " + std::string(type_name(value)));
  }
  std::array<char, 512> buffer{};
  std::string sign = conversion.plus ? "+" : "";
  const bool is_real = std::string_view("feEgGF").find(conversion.kind) != std::string_view::npos;
  if (is_real) {
    const int precision = conversion.precision < 0 ? 6 : static_cast<int>(conversion.precision);
    const std::string format = "%" + sign + ".*" + kind;
    std::snprintf(buffer.data(), buffer.size(), format.c_str(), precision, value.number());
    return std::string(buffer.data());
  }
  if (!value.is_whole() && (conversion.kind == 'x' || conversion.kind == 'X' || conversion.kind == 'o')) {
    return bad_format("%" + kind + " format: an integer is required, not float");
  }
  if (!value.is_whole() && !(std::abs(value.number()) < 9e18))
    return bad_format("cannot convert the float to an integer");
  const std::int64_t whole = value.is_whole() ? value.whole() : static_cast<std::int64_t>(value.number());
  const std::uint64_t magnitude = whole < 0 ? 0 - static_cast<std::uint64_t>(whole) : static_cast<std::uint64_t>(whole);
  const char* digits = conversion.kind == 'x'   ? "%lx"
                       : conversion.kind == 'X' ? "%lX"
                       : conversion.kind == 'o' ? "%lo"
                                                : "%lu";
  std::snprintf(buffer.data(), buffer.size(), digits, static_cast<unsigned long>(magnitude));
  return (whole < 0 ? "-" : sign) + buffer.data();
}

Expected<TextPtr> converted(Runtime& runtime, const Conversion& conversion, const Value& value) {
  Budget& budget = runtime.budget;
  TextBuilder out(budget);
  if (conversion.kind == 's') {
    HEED_TRY(append_text(out, budget, value));
  } else if (conversion.kind == 'r') {
    HEED_TRY(append_repr(out, budget, value));
  } else if (std::string_view("diuxXofFeEgG").find(conversion.kind) != std::string_view::npos) {
    HEED_ASSIGN(std::string number, spelled_number(conversion, value));
    const bool is_signed = !number.empty() && (number[0] == '-' || number[0] == '+');
    while (conversion.zero && !conversion.left && static_cast<std::int64_t>(number.size()) < conversion.width) {
      number.insert(is_signed ? 1 : 0, "0");
    }
    out.add(number, !value.untrusted());
  } else {
    return bad_format(std::string("unsupported format character '") + conversion.kind + "'");
  }
  HEED_ASSIGN(TextPtr text, out.finish());
  if ((conversion.kind == 's' || conversion.kind == 'r') && conversion.precision >= 0) {
    const std::size_t end = character_offset(text->bytes, static_cast<std::size_t>(conversion.precision));
    HEED_ASSIGN(text, cut(budget, *text, 0, end));
  }
  const bool left = !conversion.left;
  HEED_ASSIGN(const Value padded, pad_text(budget, *text, {.width = conversion.width, .left = left, .right = !left}));
  return padded.text_pointer();
}

/// A replacement field of str.format: {name}, {0}, {}, with .attributes and [keys]; no conversions and no specs.
class FieldReader {
 public:
  explicit FieldReader(const Call& call) : call_(call) {}

  Expected<Value> read(std::string_view field) {
    if (field.find_first_of("!:{") != std::string_view::npos) {
      return fail(Code::unsupported,
                  "chat template: format(): conversions and format specifications are not supported");
    }
    const std::size_t end = std::min(field.find_first_of(".["), field.size());
    HEED_ASSIGN(Value value, first(field.substr(0, end)));
    std::string_view rest = field.substr(end);
    while (!rest.empty()) {
      HEED_ASSIGN(value, next(value, rest));
    }
    return value;
  }

 private:
  Expected<Value> first(std::string_view name) {
    std::size_t index = next_index_;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), index);
    const bool numbered = error == std::errc() && end == name.data() + name.size();
    if (name.empty()) ++next_index_;
    if (name.empty() || numbered) {
      if (index < call_.arguments.size()) return call_.arguments[index];
      return bad_format("replacement index " + std::to_string(index) + " out of range");
    }
    for (const auto& [key, value] : call_.named) {
      if (key == name) return value;
    }
    return bad_format("no argument named '" + std::string(name) + "'");
  }

  Expected<Value> next(const Value& value, std::string_view& rest) {
    const bool is_key = rest.front() == '[';
    rest.remove_prefix(1);
    const std::size_t end = std::min(is_key ? rest.find(']') : rest.find_first_of(".["), rest.size());
    const std::string_view name = rest.substr(0, end);
    rest.remove_prefix(std::min(rest.size(), end + (is_key ? 1 : 0)));
    if (!is_key) return get_attribute(call_.runtime, value, name, nullptr);
    std::int64_t index = 0;
    const auto [stop, error] = std::from_chars(name.data(), name.data() + name.size(), index);
    const bool numbered = error == std::errc() && stop == name.data() + name.size();
    return get_item(call_.runtime, value, numbered ? Value::integer(index) : Value(fixed_text(name, true)), nullptr);
  }

  const Call& call_;
  std::size_t next_index_ = 0;
};

}  // namespace

Expected<Value> format_percent(Runtime& runtime, const Value& format, const std::vector<Value>& values) {
  const Text& text = format.text();
  const std::string& bytes = text.bytes;
  TextBuilder out(runtime.budget);
  std::size_t used = 0;
  std::size_t at = 0;
  while (at < bytes.size()) {
    const std::size_t percent = std::min(bytes.find('%', at), bytes.size());
    out.add(text, at, percent);
    at = percent + 1;
    if (percent == bytes.size()) break;
    HEED_TRY(runtime.budget.step());
    HEED_ASSIGN(const Conversion conversion, read_conversion(bytes, at));
    if (conversion.kind == '%') {
      out.add(text, percent, percent + 1);
      continue;
    }
    if (used == values.size()) return bad_format("not enough arguments for format string");
    HEED_ASSIGN(const TextPtr part, converted(runtime, conversion, values[used++]));
    out.add(*part);
  }
  const bool one_dict = values.size() == 1 && (values[0].is(Kind::dict) || values[0].is(Kind::list));
  if (used < values.size() && !one_dict) return bad_format("not all arguments converted during string formatting");
  return finished(out);
}

Expected<Value> method_format(const Call& call) {
  const Text& text = call.self.text();
  const std::string& bytes = text.bytes;
  TextBuilder out(call.runtime.budget);
  FieldReader fields(call);
  std::size_t at = 0;
  while (at < bytes.size()) {
    const std::size_t brace = std::min(bytes.find_first_of("{}", at), bytes.size());
    out.add(text, at, brace);
    if (brace == bytes.size()) break;
    HEED_TRY(call.runtime.budget.step());
    at = brace + 1;
    if (at < bytes.size() && bytes[at] == bytes[brace]) {  // doubled: the brace itself
      out.add(text, brace, at++);
      continue;
    }
    const std::size_t end = bytes[brace] == '{' ? bytes.find('}', at) : std::string::npos;
    if (end == std::string::npos) return bad_format("single brace encountered in format string");
    HEED_ASSIGN(const Value value, fields.read(std::string_view(bytes).substr(at, end - at)));
    HEED_TRY(append_text(out, call.runtime.budget, value));
    at = end + 1;
  }
  return finished(out);
}

}  // namespace heed::jinja
