// bert_words.cc -- three passes, as the yardstick makes them, over what is not ASCII; ASCII needs one.
#include "text/bert_words.h"

#include <cstdint>

#include "text/bert_tables.h"
#include "text/normal_forms.h"
#include "text/utf8.h"

namespace heed {

std::string bert_cleaned(std::string_view text, BertCleaning cleaning) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  const auto append = [&](std::uint32_t code) {
    const BertClass kind = bert_class(code);
    if (kind == BertClass::dropped && cleaning.drops_controls) return;
    const bool stands_apart = kind == BertClass::ideograph && cleaning.parts_ideographs;
    if (stands_apart) out += ' ';
    utf8_append(kind == BertClass::space && cleaning.drops_controls ? ' ' : code, out);
    if (stands_apart) out += ' ';
  };
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at;  // of what stays as it is
    while (end < text.size() && text[end] >= 0x20 && text[end] < 0x7F) ++end;
    out += text.substr(at, end - at);
    at = end;
    if (at == text.size()) break;
    const Utf8Char c = utf8_first(text.substr(at));
    if (c.valid) append(c.code_point);
    at += c.size;
  }
  return out;
}

std::string without_accents(const std::string& text) {
  if (is_ascii(text)) return text;
  const std::string decomposed = normal_form(text, NormalForm::nfd);
  const std::string_view all = decomposed;
  std::string out;
  out.reserve(all.size());
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t run = ascii_run(all.substr(at));
    out += all.substr(at, run);
    at += run;
    if (at == all.size()) break;
    const Utf8Char c = utf8_first(all.substr(at));
    if (bert_class(c.code_point) != BertClass::accent) out += all.substr(at, c.size);
    at += c.size;
  }
  return out;
}

std::string bert_words(std::string_view text, BertOptions options) {
  std::string all = bert_cleaned(text, {});
  if (options.strip_accents) all = without_accents(all);
  std::string out;
  out.reserve(all.size() + all.size() / 4);
  each_character(all, [&](std::uint32_t code) {
    const bool stands_alone = bert_class(code) == BertClass::punctuation;
    if (stands_alone) out += ' ';
    if (options.lowercase) {
      append_lowercase(code, out);
    } else {
      utf8_append(code, out);
    }
    if (stands_alone) out += ' ';
  });
  return out;
}

}  // namespace heed
