// bert_words.cc -- three passes, as the yardstick makes them, over what is not ASCII; ASCII needs one.
#include "text/bert_words.h"

#include <utf8proc.h>

#include <cstdint>
#include <cstdlib>
#include <memory>

#include "text/bert_tables.h"
#include "text/utf8.h"

namespace heed {
namespace {

bool is_ascii(std::string_view text) noexcept {
  for (const char c : text)
    if (static_cast<unsigned char>(c) >= 0x80) return false;
  return true;
}

template <class Visit>
void each_character(std::string_view text, const Visit& visit) {
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Char c = utf8_first(text.substr(at));
    if (c.valid) visit(c.code_point);
    at += c.size;
  }
}

// Control characters go, spaces are U+0020, ideographs stand apart.
std::string cleaned(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  each_character(text, [&](std::uint32_t code) {
    switch (bert_class(code)) {
      case BertClass::dropped:
        return;
      case BertClass::space:
        out += ' ';
        return;
      case BertClass::ideograph:
        out += ' ';
        utf8_append(code, out);
        out += ' ';
        return;
      default:
        utf8_append(code, out);
    }
  });
  return out;
}

struct Free {
  void operator()(utf8proc_uint8_t* p) const noexcept { std::free(p); }  // NOLINT(cppcoreguidelines-no-malloc): theirs
};

// Canonical decomposition without the nonspacing marks.
std::string without_accents(const std::string& text) {
  utf8proc_uint8_t* decomposed = nullptr;
  const auto bytes =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()),
                   &decomposed, static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | UTF8PROC_STABLE));
  const std::unique_ptr<utf8proc_uint8_t, Free> owner(decomposed);
  if (bytes < 0) return text;  // out of memory; what comes in is valid
  std::string out;
  out.reserve(static_cast<std::size_t>(bytes));
  each_character({reinterpret_cast<const char*>(decomposed), static_cast<std::size_t>(bytes)}, [&](std::uint32_t code) {
    if (bert_class(code) != BertClass::accent) utf8_append(code, out);
  });
  return out;
}

std::uint32_t lower(std::uint32_t code) noexcept {
  if (code < 0x80) return code >= 'A' && code <= 'Z' ? code + ('a' - 'A') : code;
  return static_cast<std::uint32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code)));
}

void append_apart(std::uint32_t code, std::string& out) {
  const bool stands_alone = bert_class(code) == BertClass::punctuation;
  if (stands_alone) out += ' ';
  utf8_append(code, out);
  if (stands_alone) out += ' ';
}

}  // namespace

std::string bert_words(std::string_view text, BertOptions options) {
  constexpr std::uint32_t kDottedCapitalI = 0x130;  // the one character whose lower case is two
  std::string all = cleaned(text);
  if (options.strip_accents && !is_ascii(all)) all = without_accents(all);
  std::string out;
  out.reserve(all.size() + all.size() / 4);
  each_character(all, [&](std::uint32_t code) {
    if (options.lowercase && code == kDottedCapitalI) {
      append_apart('i', out);
      return utf8_append(0x307, out);
    }
    append_apart(options.lowercase ? lower(code) : code, out);
  });
  return out;
}

}  // namespace heed
