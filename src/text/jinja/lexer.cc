// lexer.cc -- the state machine of Jinja's lexer: text, comments, raw blocks, tags.
#include "text/jinja/lexer.h"

#include <algorithm>
#include <array>

#include "text/jinja/characters.h"
#include "text/jinja/string_literal.h"

namespace heed::jinja {
namespace {

bool is_digit_byte(char c) { return c >= '0' && c <= '9'; }
bool is_name_byte(char c) {
  return is_digit_byte(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

/// \r\n and \r become \n; one newline at the very end is dropped.
std::string normalized(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n') continue;
    out.push_back(source[i] == '\r' ? '\n' : source[i]);
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string source) : source_(std::move(source)) {}
  Expected<std::vector<Token>> run();

 private:
  enum class Tag : std::uint8_t { variable, block };

  std::string_view rest() const { return std::string_view(source_).substr(at_); }
  char byte(std::size_t offset) const { return offset < source_.size() ? source_[offset] : '\0'; }
  bool starts(std::string_view text) const { return rest().starts_with(text); }
  Error error(const std::string& text) const { return fail(Code::malformed, "chat template: " + text, shown(place_)); }
  void move_to(std::size_t offset);
  void skip_space();
  void push(TokenKind kind, std::string text, Place place) { tokens_.push_back({kind, std::move(text), place}); }
  void push_data(std::size_t end, char sign, bool strips_line);
  Expected<void> text();
  Expected<void> comment();
  std::size_t raw_tag_end(std::size_t from, std::string_view word, bool is_end) const;
  Expected<void> raw(std::size_t body);
  Expected<void> tag(Tag tag);
  bool tag_ends(Tag tag);
  Expected<void> token();
  bool number();
  std::size_t digits_end(std::size_t from) const;
  std::size_t real_end(std::size_t from) const;
  std::size_t integer_end(std::size_t from) const;
  Expected<void> string();
  Expected<void> symbol();
  void end_of_tag(std::size_t length, bool strips, bool trims);

  std::string source_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  Place place_;
  std::string brackets_;       // closing brackets still expected
  bool line_starting_ = true;  // the last matched piece ended with a newline
};

void Lexer::move_to(std::size_t offset) {
  for (; at_ < offset; ++at_) {
    if (source_[at_] == '\n') {
      ++place_.line;
      place_.column = 1;
    } else {
      ++place_.column;
    }
  }
}

void Lexer::skip_space() {
  const Range left = stripped(rest(), {.right = false});
  move_to(at_ + left.from);
}

/// Text from here to `end`, the start of a tag with this sign.
void Lexer::push_data(std::size_t end, char sign, bool strips_line) {
  std::string_view text = std::string_view(source_).substr(at_, end - at_);
  if (sign == '-') {
    text = text.substr(0, stripped(text, {.left = false}).to);
  } else if (sign != '+' && strips_line) {
    const std::size_t newline = text.rfind('\n');
    const std::size_t line = newline == std::string_view::npos ? 0 : newline + 1;
    const bool only_space = stripped(text.substr(line), {.right = false}).from == text.size() - line;
    if ((line > 0 || line_starting_) && only_space) text = text.substr(0, line);
  }
  if (!text.empty()) push(TokenKind::data, std::string(text), place_);
  move_to(end);
}

/// Text up to the next tag, then that tag.
Expected<void> Lexer::text() {
  std::size_t begin = at_;
  while (true) {
    begin = source_.find('{', begin);
    if (begin == std::string::npos) break;
    const char kind = byte(begin + 1);
    if (kind == '{' || kind == '%' || kind == '#') break;
    ++begin;
  }
  if (begin == std::string::npos) {
    push_data(source_.size(), '+', false);
    return {};
  }
  const char kind = byte(begin + 1);
  const char sign = byte(begin + 2) == '-' || byte(begin + 2) == '+' ? byte(begin + 2) : '\0';
  push_data(begin, sign, kind != '{');
  const std::size_t raw_body = kind == '%' ? raw_tag_end(begin, "raw", false) : std::string::npos;
  if (raw_body != std::string::npos) return raw(raw_body);
  const Place place = place_;
  move_to(begin + 2 + (sign != '\0' ? 1 : 0));
  line_starting_ = false;
  if (kind == '#') return comment();
  push(kind == '{' ? TokenKind::variable_begin : TokenKind::block_begin, {}, place);
  return tag(kind == '{' ? Tag::variable : Tag::block);
}

/// After an end tag of `length` bytes: '-' strips all white space, otherwise trim_blocks drops one newline.
void Lexer::end_of_tag(std::size_t length, bool strips, bool trims) {
  move_to(at_ + length);
  if (strips) skip_space();
  if (!strips && trims && byte(at_) == '\n') move_to(at_ + 1);
  line_starting_ = at_ > 0 && source_[at_ - 1] == '\n';
}

Expected<void> Lexer::comment() {
  const std::size_t end = source_.find("#}", at_);
  if (end == std::string::npos) return error("missing end of comment tag");
  const char sign = end > at_ ? source_[end - 1] : '\0';
  move_to(end);
  end_of_tag(2, sign == '-', sign != '+');
  return {};
}

/// The offset behind {% word %} when one starts at `from`, else npos. White space that '-' strips is not included.
std::size_t Lexer::raw_tag_end(std::size_t from, std::string_view word, bool is_end) const {
  const auto past_space = [&](std::size_t at) {
    return at + stripped(std::string_view(source_).substr(at), {.right = false}).from;
  };
  std::size_t at = from + 2;
  if (byte(at) == '-' || byte(at) == '+') ++at;
  at = past_space(std::min(at, source_.size()));
  if (!std::string_view(source_).substr(at).starts_with(word)) return std::string::npos;
  at = past_space(at + word.size());
  if (byte(at) == '-' || (is_end && byte(at) == '+')) ++at;
  return byte(at) == '%' && byte(at + 1) == '}' ? at + 2 : std::string::npos;
}

Expected<void> Lexer::raw(std::size_t body) {
  const bool strips_body = byte(body - 3) == '-';
  move_to(body);
  if (strips_body) skip_space();
  line_starting_ = at_ > 0 && source_[at_ - 1] == '\n';
  std::size_t begin = at_;
  std::size_t end = std::string::npos;
  for (; end == std::string::npos; ++begin) {
    begin = source_.find("{%", begin);
    if (begin == std::string::npos) return error("missing end of raw directive");
    end = raw_tag_end(begin, "endraw", true);
    if (end != std::string::npos) break;
  }
  const char sign = byte(begin + 2);
  push_data(begin, sign, true);
  const char end_sign = byte(end - 3);
  move_to(end);
  end_of_tag(0, end_sign == '-', end_sign != '+');
  return {};
}

bool Lexer::tag_ends(Tag tag) {
  if (!brackets_.empty()) return false;
  const std::string_view close = tag == Tag::variable ? "}}" : "%}";
  const bool strips = byte(at_) == '-' && rest().substr(1).starts_with(close);
  const bool keeps = tag == Tag::block && byte(at_) == '+' && rest().substr(1).starts_with(close);
  if (!strips && !keeps && !starts(close)) return false;
  push(tag == Tag::variable ? TokenKind::variable_end : TokenKind::block_end, {}, place_);
  end_of_tag(close.size() + (strips || keeps ? 1 : 0), strips, tag == Tag::block && !keeps);
  return true;
}

Expected<void> Lexer::tag(Tag tag) {
  while (true) {
    skip_space();
    if (at_ >= source_.size()) return error("unexpected end of template inside a tag");
    if (tag_ends(tag)) return {};
    HEED_TRY(token());
  }
}

Expected<void> Lexer::token() {
  const char c = byte(at_);
  if (is_digit_byte(c) && number()) return {};
  if (is_name_byte(c)) {
    std::size_t end = at_;
    while (is_name_byte(byte(end))) ++end;
    push(TokenKind::name, source_.substr(at_, end - at_), place_);
    move_to(end);
    return {};
  }
  if (c == '"' || c == '\'') return string();
  return symbol();
}

/// The end of (\d+_)*\d+ at `from`; `from` itself when there is none.
std::size_t Lexer::digits_end(std::size_t from) const {
  std::size_t end = from;
  while (is_digit_byte(byte(end)) || (byte(end) == '_' && end > from && is_digit_byte(byte(end + 1)))) ++end;
  return end;
}

std::size_t Lexer::real_end(std::size_t from) const {
  if (from > 0 && source_[from - 1] == '.') return from;
  const std::size_t whole = digits_end(from);
  std::size_t end = whole;
  if (byte(end) == '.' && digits_end(end + 1) > end + 1) end = digits_end(end + 1);
  if (byte(end) != 'e' && byte(end) != 'E') return end == whole ? from : end;
  const std::size_t exponent = end + (byte(end + 1) == '+' || byte(end + 1) == '-' ? 2 : 1);
  if (digits_end(exponent) > exponent) return digits_end(exponent);
  return end == whole ? from : end;
}

std::size_t Lexer::integer_end(std::size_t from) const {
  const char prefix = static_cast<char>(byte(from + 1) | 0x20);
  const std::string_view digits = prefix == 'x'   ? "0123456789abcdefABCDEF"
                                  : prefix == 'o' ? "01234567"
                                  : prefix == 'b' ? "01"
                                                  : "";
  const auto in_set = [&](std::string_view set, char c) { return c != '\0' && set.find(c) != std::string_view::npos; };
  const auto run = [&](std::string_view set, std::size_t end) {
    while (in_set(set, byte(end)) || (byte(end) == '_' && in_set(set, byte(end + 1)))) ++end;
    return end;
  };
  if (byte(from) == '0' && !digits.empty() && run(digits, from + 2) > from + 2) return run(digits, from + 2);
  return run(byte(from) == '0' ? "0" : "0123456789", from + 1);
}

bool Lexer::number() {
  const std::size_t real = real_end(at_);
  const std::size_t end = real > at_ ? real : integer_end(at_);
  std::string spelled = source_.substr(at_, end - at_);
  std::erase(spelled, '_');
  push(real > at_ ? TokenKind::real : TokenKind::integer, std::move(spelled), place_);
  move_to(end);
  return true;
}

Expected<void> Lexer::string() {
  const char quote = byte(at_);
  std::size_t end = at_ + 1;
  while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
  if (end >= source_.size()) return error("a string is not closed");
  auto unescaped = unescape(std::string_view(source_).substr(at_ + 1, end - at_ - 1));
  if (!unescaped) return error(unescaped.error().text);
  push(TokenKind::string, std::move(*unescaped), place_);
  move_to(end + 1);
  return {};
}

Expected<void> Lexer::symbol() {
  constexpr std::array<std::string_view, 26> kSymbols{"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                                      "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                                      ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};
  const auto* found = std::find_if(kSymbols.begin(), kSymbols.end(), [&](std::string_view s) { return starts(s); });
  if (found == kSymbols.end()) {
    return error("unexpected character '" + source_.substr(at_, character_at(source_, at_).bytes) + "'");
  }
  const char c = found->front();
  if (c == '(') brackets_.push_back(')');
  if (c == '[') brackets_.push_back(']');
  if (c == '{') brackets_.push_back('}');
  if (c == ')' || c == ']' || c == '}') {
    if (brackets_.empty() || brackets_.back() != c) return error(std::string("unexpected '") + c + "'");
    brackets_.pop_back();
  }
  push(TokenKind::symbol, std::string(*found), place_);
  move_to(at_ + found->size());
  return {};
}

Expected<std::vector<Token>> Lexer::run() {
  while (at_ < source_.size()) {
    HEED_TRY(text());
  }
  push(TokenKind::end, {}, place_);
  return std::move(tokens_);
}

}  // namespace

std::string shown(Place place) { return std::to_string(place.line) + ":" + std::to_string(place.column); }

Expected<std::vector<Token>> tokenize(std::string_view source) { return Lexer(normalized(source)).run(); }

}  // namespace heed::jinja
