// onig_pattern.cc -- one pass over the pattern. Classes are spelled out where the two libraries, or the versions of
// Unicode that they were built with, disagree.
#include "text/onig_pattern.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <utility>

#include "text/normal_forms.h"
#include "text/unicode_tables.h"
#include "text/utf8.h"

namespace heed {
namespace {

constexpr std::string_view kSpaces =
    R"(\t-\r\x{20}\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})";
// Letters, marks, digits, connectors, and letters in circles and squares; outside of classes the numbers of Latin-1
// too.
constexpr std::string_view kWord =
    R"(\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}0-9A-Z_a-z\x{24B6}-\x{24E9}\x{1F130}-\x{1F149}\x{1F150}-\x{1F169}\x{1F170}-\x{1F189})";
constexpr std::string_view kWordOutsideClasses = R"(\x{B2}\x{B3}\x{B9}\x{BC}-\x{BE})";

constexpr std::string_view kNewDigits =
    R"(\x{10D40}-\x{10D49}\x{116D0}-\x{116E3}\x{11BF0}-\x{11BF9}\x{11F50}-\x{11F59}\x{16130}-\x{16139})"
    R"(\x{16D70}-\x{16D79}\x{1CCF0}-\x{1CCF9}\x{1E4F0}-\x{1E4F9}\x{1E5F1}-\x{1E5FA})";

// Characters of Unicode 15, 15.1 and 16 whose general category PCRE2 10.42, which knows 14, has not.
constexpr std::array<std::pair<std::uint32_t, std::uint32_t>, 75> kNew = {{
    {0x897, 0x897},     {0xCF3, 0xCF3},     {0xECE, 0xECE},     {0x1B4E, 0x1B4F},   {0x1B7F, 0x1B7F},
    {0x1C89, 0x1C8A},   {0x2427, 0x2429},   {0x2FFC, 0x2FFF},   {0x31E4, 0x31E5},   {0x31EF, 0x31EF},
    {0xA7CB, 0xA7CD},   {0xA7DA, 0xA7DC},   {0x105C0, 0x105F3}, {0x10D40, 0x10D65}, {0x10D69, 0x10D85},
    {0x10D8E, 0x10D8F}, {0x10EC2, 0x10EC4}, {0x10EFC, 0x10EFF}, {0x1123F, 0x11241}, {0x11380, 0x11389},
    {0x1138B, 0x1138B}, {0x1138E, 0x1138E}, {0x11390, 0x113B5}, {0x113B7, 0x113C0}, {0x113C2, 0x113C2},
    {0x113C5, 0x113C5}, {0x113C7, 0x113CA}, {0x113CC, 0x113D5}, {0x113D7, 0x113D8}, {0x113E1, 0x113E2},
    {0x116D0, 0x116E3}, {0x11B00, 0x11B09}, {0x11BC0, 0x11BE1}, {0x11BF0, 0x11BF9}, {0x11F00, 0x11F10},
    {0x11F12, 0x11F3A}, {0x11F3E, 0x11F5A}, {0x1342F, 0x1342F}, {0x13440, 0x13455}, {0x13460, 0x143FA},
    {0x16100, 0x16139}, {0x16D40, 0x16D79}, {0x18CFF, 0x18CFF}, {0x1B132, 0x1B132}, {0x1B155, 0x1B155},
    {0x1CC00, 0x1CCF9}, {0x1CD00, 0x1CEB3}, {0x1D2C0, 0x1D2D3}, {0x1DF25, 0x1DF2A}, {0x1E030, 0x1E06D},
    {0x1E08F, 0x1E08F}, {0x1E4D0, 0x1E4F9}, {0x1E5D0, 0x1E5FA}, {0x1E5FF, 0x1E5FF}, {0x1F6DC, 0x1F6DC},
    {0x1F774, 0x1F776}, {0x1F77B, 0x1F77F}, {0x1F7D9, 0x1F7D9}, {0x1F8B2, 0x1F8BB}, {0x1F8C0, 0x1F8C1},
    {0x1FA75, 0x1FA77}, {0x1FA87, 0x1FA89}, {0x1FA8F, 0x1FA8F}, {0x1FAAD, 0x1FAAF}, {0x1FABB, 0x1FABF},
    {0x1FAC6, 0x1FAC6}, {0x1FACE, 0x1FACF}, {0x1FADA, 0x1FADC}, {0x1FADF, 0x1FADF}, {0x1FAE8, 0x1FAE9},
    {0x1FAF7, 0x1FAF8}, {0x1FBCB, 0x1FBEF}, {0x2B739, 0x2B739}, {0x2EBF0, 0x2EE5D}, {0x31350, 0x323AF},
}};

std::string number(std::uint32_t code_point) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "\\x{%X}", static_cast<unsigned>(code_point));
  return text.data();
}

/// The characters of a class that PCRE2 may not know yet, as items of a bracketed class.
std::string added_since(CharClass kind) {
  std::string out;
  for (const auto& [first, last] : kNew) {
    for (std::uint32_t begin = first; begin <= last; ++begin) {
      if (char_class(begin) != kind) continue;
      std::uint32_t end = begin;
      while (end < last && char_class(end + 1) == kind) ++end;
      out += number(begin) + (end > begin ? "-" + number(end) : std::string());
      begin = end;
    }
  }
  return out;
}

/// A general category, and its ASCII as items of a class: PCRE2 finds those in a bitmap, the rest in tables.
struct Major {
  char letter;
  CharClass kind;
  std::string_view ascii;
};
constexpr std::array<Major, 5> kMajor = {{
    {'L', CharClass::letter, "A-Za-z"},
    {'N', CharClass::number, "0-9"},
    {'P', CharClass::punctuation, R"(!-#%-*,-/:;?@\[-\]_{})"},
    {'S', CharClass::symbol, "$+<->\\^`|~"},
    {'M', CharClass::mark, ""},
}};

constexpr std::array<std::string_view, 29> kMinor = {"Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl",
                                                     "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc",
                                                     "Sk", "So", "Zs", "Zl", "Zp", "Z",  "Cc", "Cf", "Co"};
constexpr std::array<std::string_view, 16> kScripts = {
    "Han",    "Hiragana", "Katakana",   "Hangul",   "Latin",   "Greek",    "Cyrillic", "Arabic",
    "Hebrew", "Thai",     "Devanagari", "Armenian", "Bengali", "Georgian", "Tamil",    "Bopomofo"};

enum class Characters : unsigned char { all, known };

class Translator {
 public:
  Translator(std::string_view pattern, Characters characters) : pattern_(pattern), characters_(characters) {}

  Expected<std::string> run() {
    while (at_ < pattern_.size()) HEED_TRY(step());
    return std::move(out_);
  }

 private:
  bool starts(std::string_view text) const noexcept { return pattern_.substr(at_).starts_with(text); }

  Error refuse(std::string_view construct) const {
    return fail(Code::unsupported, "tokenizer: regular expression, byte " + std::to_string(at_) +
                                       ": expected a construct that heed knows, got " + std::string(construct));
  }

  void copy(std::size_t bytes) {
    out_ += pattern_.substr(at_, bytes);
    at_ += bytes;
  }

  void put(std::size_t bytes, std::string_view instead) {
    out_ += instead;
    at_ += bytes;
  }

  Expected<void> done(std::size_t bytes, std::string_view instead) {
    put(bytes, instead);
    return {};
  }

  Expected<void> step() {
    switch (pattern_[at_]) {
      case '\\':
        return escape(false);
      case '[':
        return bracket();
      case '(':
        return group();
      case '{':
        return repeat();
      case '^':
        return done(1, "(?m:^)");
      case '$':
        return done(1, "(?m:$)");
      default:
        copy(1);
        return {};
    }
  }

  Expected<void> group() {
    for (const std::string_view known : {"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:"}) {
      if (!starts(known)) continue;
      copy(known.size());
      return {};
    }
    if (starts("(?i)") && at_ == 0) {
      copy(4);
      return {};
    }
    if (starts("(?") || starts("(*")) return refuse(pattern_.substr(at_, 3));
    return done(1, "(?:");  // nothing refers to it
  }

  /// {n} {n,} {n,m} {,m}; else a brace.
  Expected<void> repeat() {
    const auto digits = [&](std::size_t from) {
      while (from < pattern_.size() && pattern_[from] >= '0' && pattern_[from] <= '9') ++from;
      return from;
    };
    const std::size_t low = digits(at_ + 1);
    const bool has_comma = low < pattern_.size() && pattern_[low] == ',';
    const std::size_t end = has_comma ? digits(low + 1) : low;
    const bool has_number = low > at_ + 1 || end > low + 1;
    if (!has_number || end >= pattern_.size() || pattern_[end] != '}') return done(1, "\\{");
    const char next = end + 1 < pattern_.size() ? pattern_[end + 1] : ' ';
    if (next == '+' || next == '?') return refuse("a second quantifier after {}");
    if (low == at_ + 1) put(1, "{0");
    copy(end + 1 - at_);
    return {};
  }

  Expected<void> bracket() {
    copy(1);
    if (starts("^")) copy(1);
    if (starts("]")) return refuse("[]");
    while (at_ < pattern_.size() && pattern_[at_] != ']') {
      if (pattern_[at_] == '[') return refuse("a class within a class");
      if (starts("&&")) return refuse("&&");
      if (pattern_[at_] == '\\') {
        HEED_TRY(escape(true));
      } else {
        copy(1);
      }
    }
    if (at_ == pattern_.size()) return refuse("a class without end");
    copy(1);
    return {};
  }

  /// What PCRE2 may not know, where it is asked for.
  std::string added(CharClass kind) const { return characters_ == Characters::all ? added_since(kind) : std::string(); }

  std::string digit_items() const {
    return std::string("\\p{Nd}") + std::string(characters_ == Characters::all ? kNewDigits : "");
  }

  std::string word_items(bool in_class) const {
    return std::string(kWord) + digit_items() + added(CharClass::letter) + added(CharClass::mark) +
           std::string(in_class ? "" : kWordOutsideClasses);
  }

  Expected<void> escape(bool in_class) {
    if (at_ + 1 >= pattern_.size()) return refuse("a backslash at the end");
    const char c = pattern_[at_ + 1];
    const bool is_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!is_word) {
      copy(2);
      return {};
    }
    if (c == 'p' || c == 'P') return property(in_class);
    const std::string_view shorthand = pattern_.substr(at_, 2);
    const auto set = [&](std::string_view items, bool negated) {
      out_ += negated ? "[^" : in_class ? "" : "[";
      put(2, items);
      return done(0, in_class ? "" : "]");
    };
    if (c == 's' || (c == 'S' && !in_class)) return set(kSpaces, c == 'S');
    if (c == 'd' || (c == 'D' && !in_class)) return set(digit_items(), c == 'D');
    if (c == 'w' || (c == 'W' && !in_class)) return set(word_items(in_class), c == 'W');
    if ((c == 'b' || c == 'B') && !in_class) {
      const std::string word = "[" + word_items(false) + "]";
      const std::string here = c == 'b' ? "(?!" : "(?=", there = c == 'b' ? "(?=" : "(?!";
      return done(2, "(?:(?<=" + word + ")" + here + word + ")|(?<!" + word + ")" + there + word + "))");
    }
    if (c == 'u' || c == 'x') return code_point();
    if (c == 'v') return done(2, "\\x{B}");
    if (std::string_view("DSnrtfae").find(c) != std::string_view::npos ||
        (!in_class && std::string_view("Az").find(c) != std::string_view::npos)) {
      return done(2, pattern_.substr(at_, 2));
    }
    return refuse(shorthand);
  }

  /// \xHH, \x{H...}, \uHHHH
  Expected<void> code_point() {
    const auto is_hex = [](char c) {
      return std::string_view("0123456789abcdefABCDEF").find(c) != std::string_view::npos;
    };
    const bool is_braced = starts("\\x{");
    const std::size_t begin = at_ + (is_braced ? 3 : 2), most = is_braced ? 8 : pattern_[at_ + 1] == 'u' ? 4 : 2;
    std::size_t end = begin;
    while (end < pattern_.size() && end < begin + most && is_hex(pattern_[end])) ++end;
    const bool is_closed = !is_braced || (end < pattern_.size() && pattern_[end] == '}');
    if (end == begin || !is_closed || (pattern_[at_ + 1] == 'u' && end - begin != 4))
      return refuse(pattern_.substr(at_, 3));
    const std::string digits(pattern_.substr(begin, end - begin));
    return done(end - at_ + (is_braced ? 1 : 0), "\\x{" + digits + "}");
  }

  /// \p{L} \p{^L} \P{L}
  Expected<void> property(bool in_class) {
    const std::size_t open = at_ + 2, close = std::min(pattern_.find('}', open), pattern_.size());
    if (!pattern_.substr(open).starts_with('{') || close == pattern_.size()) return refuse(pattern_.substr(at_, 3));
    std::string_view name = pattern_.substr(open + 1, close - open - 1);
    bool is_negated = pattern_[at_ + 1] == 'P';
    if (name.starts_with('^')) {
      is_negated = !is_negated;
      name.remove_prefix(1);
    }
    const std::size_t bytes = close + 1 - at_;
    const std::string sign = is_negated ? "\\P{" : "\\p{";
    for (const auto& [letter, kind, ascii] : kMajor) {
      if (name.size() != 1 || name[0] != letter) continue;
      const std::string items = std::string("\\p{") + letter + "}" + std::string(ascii) + added(kind);
      if (in_class) return done(bytes, is_negated ? sign + letter + "}" : items);
      return done(bytes, (is_negated ? "[^" : "[") + items + "]");
    }
    if (std::find(kMinor.begin(), kMinor.end(), name) != kMinor.end())
      return done(bytes, sign + std::string(name) + "}");
    if (std::find(kScripts.begin(), kScripts.end(), name) != kScripts.end())
      return done(bytes, sign + "sc:" + std::string(name) + "}");
    return refuse(pattern_.substr(at_, bytes));
  }

  std::string_view pattern_;
  Characters characters_;
  std::size_t at_ = 0;
  std::string out_;
};

bool is_new(std::uint32_t code) noexcept {
  if (code < kNew[0].first) return false;
  const auto* it = std::partition_point(kNew.begin(), kNew.end(), [code](const auto& r) { return r.second < code; });
  return it != kNew.end() && it->first <= code;
}

}  // namespace

Expected<PcrePatterns> pcre_of_oniguruma(std::string_view pattern) {
  PcrePatterns out;
  HEED_ASSIGN(out.whole, Translator(pattern, Characters::all).run());
  HEED_ASSIGN(out.known, Translator(pattern, Characters::known).run());
  return out;
}

bool has_new_characters(std::string_view text) noexcept {
  for (std::size_t at = ascii_run(text); at < text.size(); at += ascii_run(text.substr(at))) {
    const Utf8Char c = utf8_first(text.substr(at));
    if (is_new(c.code_point)) return true;
    at += c.size;
  }
  return false;
}

}  // namespace heed
