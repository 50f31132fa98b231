// normal_forms.cc -- utf8proc behind three functions.
#include "text/normal_forms.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <memory>
#include <string>

#include "text/unicode_tables.h"
#include "text/word_tables.h"

namespace heed {
namespace {

struct Free {
  void operator()(utf8proc_uint8_t* p) const noexcept { std::free(p); }  // NOLINT(cppcoreguidelines-no-malloc): theirs
};

constexpr utf8proc_option_t options_of(NormalForm form) noexcept {
  const bool composes = form == NormalForm::nfc || form == NormalForm::nfkc;
  const bool is_compatible = form == NormalForm::nfkc || form == NormalForm::nfkd;
  return static_cast<utf8proc_option_t>((composes ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) | UTF8PROC_STABLE |
                                        (is_compatible ? UTF8PROC_COMPAT : 0));
}

struct CodeRange {
  std::uint32_t first = 0, last = 0;
};
template <std::size_t kRanges>
bool is_among(const CodeRange (&ranges)[kRanges], std::uint32_t code) noexcept {
  const auto* it =
      std::partition_point(std::begin(ranges), std::end(ranges), [code](CodeRange r) { return r.last < code; });
  return it != std::end(ranges) && it->first <= code;
}

/// Characters with decompositions that are younger than the library's tables for them: they stay.
constexpr CodeRange kStays[] = {{0x32FF, 0x32FF},   {0xA7F2, 0xA7F4},   {0xAB69, 0xAB69},   {0x105C9, 0x105C9},
                                {0x105E4, 0x105E4}, {0x10781, 0x107BA}, {0x11383, 0x11391}, {0x113C5, 0x113C8},
                                {0x11938, 0x11938}, {0x16121, 0x16128}, {0x16D68, 0x16D6A}, {0x1CCD6, 0x1CCF9},
                                {0x1E030, 0x1E06D}, {0x1FBF0, 0x1FBF9}};

/// Capitals that are younger than utf8proc's tables (Unicode 16 and 17).
struct Capital {
  std::uint32_t first = 0, last = 0;
  std::int32_t to_lower = 0;
};
constexpr Capital kCapitals[] = {{0x1C89, 0x1C89, 1},   {0xA7CB, 0xA7CB, -42343}, {0xA7CC, 0xA7CC, 1},
                                 {0xA7CE, 0xA7CE, 1},   {0xA7D2, 0xA7D2, 1},      {0xA7D4, 0xA7D4, 1},
                                 {0xA7DA, 0xA7DA, 1},   {0xA7DC, 0xA7DC, -42561}, {0x10D50, 0x10D65, 32},
                                 {0x16EA0, 0x16EB8, 27}};

/// A run of other characters, and the ASCII character before it, which the first may join.
void append_mapped(std::string_view run, NormalForm form, std::string& out) {
  if (run.empty()) return;
  utf8proc_uint8_t* mapped = nullptr;
  const auto bytes = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(run.data()),
                                  static_cast<utf8proc_ssize_t>(run.size()), &mapped, options_of(form));
  const std::unique_ptr<utf8proc_uint8_t, Free> owner(mapped);
  if (bytes < 0) {
    out += run;  // out of memory; what comes in is valid
  } else {
    out.append(reinterpret_cast<const char*>(mapped), static_cast<std::size_t>(bytes));
  }
}

/// Marks that are younger than the library's tables are no marks to it: they are not ordered among others either.
bool stays(std::uint32_t code) noexcept {
  const bool is_young_mark = char_class(code) == CharClass::mark && word_class(code) != WordClass::mark;
  return is_young_mark || is_among(kStays, code);
}

void append_form(std::string_view run, NormalForm form, std::string& out) {
  std::size_t begin = 0;
  for (std::size_t at = 0; at < run.size();) {
    const Utf8Char c = utf8_first(run.substr(at));
    if (stays(c.code_point)) {
      append_mapped(run.substr(begin, at - begin), form, out);
      out += run.substr(at, c.size);
      begin = at + c.size;
    }
    at += c.size;
  }
  append_mapped(run.substr(begin), form, out);
}

}  // namespace

bool is_ascii(std::string_view text) noexcept { return ascii_run(text) == text.size(); }

std::string normal_form(std::string_view text, NormalForm form) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  for (std::size_t at = 0; at < text.size();) {
    std::size_t begin = at + ascii_run(text.substr(at));
    if (begin < text.size() && begin > at) --begin;
    out += text.substr(at, begin - at);  // no form changes ASCII by itself
    if (begin == text.size()) break;
    std::size_t end = begin + 1;
    while (end < text.size() && static_cast<unsigned char>(text[end]) >= 0x80) ++end;
    append_form(text.substr(begin, end - begin), form, out);
    at = end;
  }
  return out;
}

void append_lowercase_beyond_ascii(std::uint32_t code_point, std::string& out) {
  constexpr std::uint32_t kDottedCapitalI = 0x130;  // the one character whose lower case is two
  for (const Capital& capital : kCapitals) {
    if (code_point >= capital.first && code_point <= capital.last)
      return utf8_append(code_point + static_cast<std::uint32_t>(capital.to_lower), out);
  }
  if (code_point == kDottedCapitalI) {
    out += "i\xCC\x87";
  } else {
    utf8_append(static_cast<std::uint32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code_point))), out);
  }
}

std::string lowercase(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t run = ascii_run(text.substr(at)), begin = out.size();
    out += text.substr(at, run);
    for (std::size_t i = begin; i < out.size(); ++i) {
      const char c = out[i];
      out[i] = static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    }
    at += run;
    if (at == text.size()) break;
    const Utf8Char c = utf8_first(text.substr(at));
    if (c.valid) append_lowercase(c.code_point, out);
    at += c.size;
  }
  return out;
}

std::size_t ascii_run(std::string_view text) noexcept {
  constexpr std::uint64_t kHighBits = 0x8080808080808080ULL;
  std::size_t at = 0;
  for (std::uint64_t eight = 0; at + 8 <= text.size(); at += 8) {
    std::memcpy(&eight, text.data() + at, 8);
    if ((eight & kHighBits) != 0) break;
  }
  while (at < text.size() && static_cast<unsigned char>(text[at]) < 0x80) ++at;
  return at;
}

}  // namespace heed
