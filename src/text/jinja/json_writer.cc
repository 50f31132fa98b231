// json_writer.cc -- the tojson filter: json.dumps of Python, as chat templates are given it.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <optional>

#include "text/jinja/stable_sort.h"
#include "text/jinja/text_operations.h"

namespace heed::jinja {
namespace {

struct JsonStyle {
  bool ascii_only = false;
  bool sorted = false;
  std::optional<std::string> indent;  // of one level; absent: everything on one line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};

class JsonWriter {
 public:
  JsonWriter(Runtime& runtime, const JsonStyle& style) : budget_(runtime.budget), style_(style), out_(runtime.budget) {}
  Expected<void> write(const Value& value);
  Expected<Value> finish() { return finished(out_); }

 private:
  Expected<void> write_list(const Value& value);
  Expected<void> write_dict(const Value& value);
  Expected<void> write_key(const Value& key, bool trusted);
  void write_string(const Text& text);
  std::string escaped(std::uint32_t code) const;
  void line(bool trusted);

  Budget& budget_;
  const JsonStyle& style_;
  TextBuilder out_;
  std::size_t level_ = 0;
};

std::string spelled_real(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  return real_repr(value);
}

Expected<void> JsonWriter::write(const Value& value) {
  HEED_TRY(budget_.step());
  const bool trusted = !value.untrusted();
  switch (value.kind()) {
    case Kind::none:
      out_.add("null", trusted);
      return {};
    case Kind::boolean:
      out_.add(value.whole() != 0 ? "true" : "false", trusted);
      return {};
    case Kind::integer:
      out_.add(std::to_string(value.whole()), trusted);
      return {};
    case Kind::real:
      out_.add(spelled_real(value.number()), trusted);
      return {};
    case Kind::text:
      write_string(value.text());
      return budget_.check();
    case Kind::dict:
      return write_dict(value);
    case Kind::list:
      if (value.list().flavor <= Flavor::group) return write_list(value);
      [[fallthrough]];
    default:
      return type_error("Object of type " + std::string(type_name(value)) + " is not JSON serializable");
  }
}

/// A new line at the current level when there is an indent.
void JsonWriter::line(bool trusted) {
  if (!style_.indent) return;
  out_.add("\n", trusted);
  for (std::size_t i = 0; i < level_; ++i) out_.add(*style_.indent, trusted);
}

Expected<void> JsonWriter::write_list(const Value& value) {
  const bool trusted = !value.untrusted();
  out_.add("[", trusted);
  ++level_;
  bool first = true;
  for (const Value& item : value.list().items) {
    if (!first) out_.add(style_.item_separator, trusted);
    first = false;
    line(trusted);
    HEED_TRY(write(item));
  }
  --level_;
  if (!first) line(trusted);
  out_.add("]", trusted);
  return {};
}

Expected<void> JsonWriter::write_dict(const Value& value) {
  const bool trusted = !value.untrusted();
  std::vector<std::pair<Value, Value>> entries = value.dict().entries;
  HEED_TRY(budget_.step(static_cast<std::int64_t>(entries.size())));
  if (style_.sorted) {
    HEED_TRY(stable_sort(entries, [&](const auto& left, const auto& right) -> Expected<bool> {
      HEED_ASSIGN(const int order, compare(budget_, left.first, right.first));
      return order < 0;
    }));
  }
  out_.add("{", trusted);
  ++level_;
  bool first = true;
  for (const auto& [key, item] : entries) {
    if (!first) out_.add(style_.item_separator, trusted);
    first = false;
    line(trusted);
    HEED_TRY(write_key(key, trusted));
    out_.add(style_.key_separator, trusted);
    HEED_TRY(write(item));
  }
  --level_;
  if (!first) line(trusted);
  out_.add("}", trusted);
  return {};
}

Expected<void> JsonWriter::write_key(const Value& key, bool trusted) {
  if (key.is(Kind::text)) {
    write_string(key.text());
    return budget_.check();
  }
  if (!key.is_number() && !key.is(Kind::none)) {
    return type_error("keys must be str, int, float, bool or None, not " + std::string(type_name(key)));
  }
  out_.add("\"", trusted);
  HEED_TRY(write(key));
  out_.add("\"", trusted);
  return {};
}

std::string JsonWriter::escaped(std::uint32_t code) const {
  switch (code) {
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    case '\b':
      return "\\b";
    case '\f':
      return "\\f";
    default:
      break;
  }
  if (code >= 0x20 && (code < 0x7F || !style_.ascii_only)) return {};
  if (code == 0x7F) return {};
  std::array<char, 16> buffer{};
  if (code >= 0x10000) {
    const std::uint32_t rest = code - 0x10000;
    std::snprintf(buffer.data(), buffer.size(), "\\u%04x\\u%04x", 0xD800 + (rest >> 10), 0xDC00 + (rest & 0x3FF));
  } else {
    std::snprintf(buffer.data(), buffer.size(), "\\u%04x", code);
  }
  return buffer.data();
}

void JsonWriter::write_string(const Text& text) {
  const bool trusted = text.fully_trusted();
  out_.add("\"", trusted);
  std::size_t plain_from = 0;
  for (std::size_t at = 0; at < text.bytes.size() && !out_.exhausted();) {
    const Character character = character_at(text.bytes, at);
    if (const std::string escape = escaped(character.code); !escape.empty()) {
      out_.add(text, plain_from, at).add(escape, text.trusted_at(at));
      plain_from = at + character.bytes;
    }
    at += character.bytes;
  }
  budget_.spend(static_cast<std::int64_t>(text.bytes.size() / 64));
  out_.add(text, plain_from, text.bytes.size()).add("\"", trusted);
}

Expected<JsonStyle> style_of(const Call& call) {
  HEED_ASSIGN(const Arguments given, Arguments::bind(call, {"ensure_ascii", "indent", "separators", "sort_keys"}));
  JsonStyle style;
  style.ascii_only = given.flag(0, false);
  style.sorted = given.flag(3, false);
  if (!given.is_none(1)) {
    const Value& indent = *given.at(1);
    constexpr std::int64_t kMaxIndent = 256;
    if (indent.is(Kind::text) && indent.text().bytes.size() <= kMaxIndent) {
      style.indent = indent.text().bytes;
    } else if (indent.is_whole() && indent.whole() <= kMaxIndent) {
      style.indent = std::string(static_cast<std::size_t>(std::max<std::int64_t>(indent.whole(), 0)), ' ');
    } else {
      return type_error("tojson: indent must be a small integer or a short str");
    }
    style.item_separator = ",";
  }
  if (!given.is_none(2)) {
    const Value& pair = *given.at(2);
    const bool is_pair = pair.is(Kind::list) && pair.list().items.size() == 2 && pair.list().items[0].is(Kind::text) &&
                         pair.list().items[1].is(Kind::text);
    if (!is_pair) return type_error("tojson: separators must be two str");
    style.item_separator = pair.list().items[0].text().bytes;
    style.key_separator = pair.list().items[1].text().bytes;
  }
  return style;
}

}  // namespace

Expected<Value> filter_tojson(const Call& call) {
  HEED_ASSIGN(const JsonStyle style, style_of(call));
  JsonWriter writer(call.runtime, style);
  HEED_TRY(writer.write(call.self));
  return writer.finish();
}

}  // namespace heed::jinja
