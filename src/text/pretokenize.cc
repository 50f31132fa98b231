// pretokenize.cc -- the scanners. Each function stands beside the expression that it replaces; alternatives are tried
// in the expression's order, and every loop goes forward only, so that the time is linear.
#include "text/pretokenize.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "text/unicode_tables.h"
#include "text/utf8.h"

namespace heed {
namespace {

struct Char {
  std::uint32_t code_point = 0;
  std::uint32_t size = 0;  // 0: the text ends here
  CharClass kind = CharClass::other;
};

bool is_end(Char c) noexcept { return c.size == 0; }
bool is_letter(Char c) noexcept { return c.kind == CharClass::letter; }
bool is_number(Char c) noexcept { return c.kind == CharClass::number; }
bool is_space(Char c) noexcept { return c.kind == CharClass::space; }
bool is_newline(Char c) noexcept { return c.code_point == '\n' || c.code_point == '\r'; }
/// [^\s\p{L}\p{N}]
bool is_sign(Char c) noexcept { return !is_end(c) && !is_letter(c) && !is_number(c) && !is_space(c); }

class Scan {
 public:
  explicit Scan(std::string_view text) : text_(text) {}

  Char at(std::size_t position) const noexcept {
    if (position >= text_.size()) return {};
    const Utf8Char c = utf8_first(text_.substr(position));
    return {c.code_point, c.size, char_class(c.code_point)};  // invalid: U+FFFD, a symbol
  }

  template <class Accept>
  std::size_t skip(std::size_t position, Accept accept) const noexcept {
    for (Char c = at(position); !is_end(c) && accept(c); c = at(position)) position += c.size;
    return position;
  }

  std::size_t size() const noexcept { return text_.size(); }

 private:
  std::string_view text_;
};

enum class Contractions : unsigned char { lower_case, any_case };

std::uint32_t fold(Char c, Contractions contractions) noexcept {
  if (contractions == Contractions::lower_case) return c.code_point;
  if (c.code_point == 0x17F) return 's';  // long s: the one other character whose case folds into the set
  return c.code_point >= 'A' && c.code_point <= 'Z' ? c.code_point + ('a' - 'A') : c.code_point;
}

/// 's|'t|'re|'ve|'m|'ll|'d -- the end of the match, or `start`.
std::size_t contraction(const Scan& scan, std::size_t start, Contractions contractions) noexcept {
  if (scan.at(start).code_point != '\'') return start;
  const Char first = scan.at(start + 1);
  const std::uint32_t one = fold(first, contractions);
  const std::size_t after = start + 1 + first.size;
  if (one == 's' || one == 't' || one == 'm' || one == 'd') return after;
  const Char second = scan.at(after);
  const std::uint32_t two = fold(second, contractions);
  const bool matches = ((one == 'r' || one == 'v') && two == 'e') || (one == 'l' && two == 'l');
  return matches ? after + second.size : start;
}

/// \s+(?!\S)|\s+ -- at a space: the run without its last character, which may lead the next word; the whole run at the
/// end of the text, or when it is one character.
std::size_t spaces(const Scan& scan, std::size_t start) noexcept {
  std::size_t position = start, last = start;
  for (Char c = scan.at(position); is_space(c); c = scan.at(position)) {
    last = position;
    position += c.size;
  }
  return position == scan.size() || last == start ? position : last;
}

/// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
std::size_t gpt2_piece(const Scan& scan, std::size_t start) noexcept {
  if (const std::size_t end = contraction(scan, start, Contractions::lower_case); end != start) return end;
  const std::size_t body = scan.at(start).code_point == ' ' ? start + 1 : start;
  const Char c = scan.at(body);
  if (is_letter(c)) return scan.skip(body, is_letter);
  if (is_number(c)) return scan.skip(body, is_number);
  if (is_sign(c)) return scan.skip(body, is_sign);
  return spaces(scan, start);
}

/// \s*[\r\n]+ -- through the last newline of a run of spaces; `start` when it has none.
std::size_t spaces_through_newline(const Scan& scan, std::size_t start) noexcept {
  std::size_t end = start, position = start;
  for (Char c = scan.at(position); is_space(c); c = scan.at(position)) {
    position += c.size;
    if (is_newline(c)) end = position;
  }
  return end;
}

/// (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,numbers}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|
/// \s+(?!\S)|\s+
std::size_t llama3_piece(const Scan& scan, std::size_t start, int numbers) noexcept {
  if (const std::size_t end = contraction(scan, start, Contractions::any_case); end != start) return end;
  const Char c = scan.at(start);
  if (is_letter(c)) return scan.skip(start, is_letter);
  if (is_number(c)) {
    return scan.skip(start, [left = numbers](Char next) mutable { return is_number(next) && left-- > 0; });
  }
  if (!is_newline(c) && is_letter(scan.at(start + c.size))) return scan.skip(start + c.size, is_letter);
  const std::size_t body = c.code_point == ' ' ? start + 1 : start;
  if (is_sign(scan.at(body))) return scan.skip(scan.skip(body, is_sign), is_newline);
  if (const std::size_t end = spaces_through_newline(scan, start); end != start) return end;
  return spaces(scan, start);
}

template <class PieceEnd>
void cut(std::string_view text, PieceEnd piece_end, std::vector<std::string_view>& pieces) {
  const Scan scan(text);
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = piece_end(scan, start);
    pieces.push_back(text.substr(start, end - start));
    start = end;
  }
}

/// Matches become pieces, and so does what lies between them: Split(isolated), applied within every piece so far.
/// match(scan, start) gives the end of the match at `start`, or `start`: which it does where not begins(character).
template <class Begins, class Match>
void split(std::vector<std::string_view>& pieces, Begins begins, Match match) {
  std::array<bool, 256> may_begin;  // by the first byte
  may_begin.fill(true);
  for (std::uint32_t byte = 0; byte < 0x80; ++byte) may_begin[byte] = begins(Char{byte, 1, char_class(byte)});
  std::vector<std::string_view> result;
  result.reserve(pieces.size());
  for (const std::string_view piece : pieces) {
    const Scan scan(piece);
    std::size_t between = 0;
    for (std::size_t start = 0; start < piece.size();) {
      const auto byte = static_cast<unsigned char>(piece[start]);
      const std::size_t end = may_begin[byte] ? match(scan, start) : start;
      if (end == start) {
        start += byte < 0x80 ? 1 : scan.at(start).size;
        continue;
      }
      if (between < start) result.push_back(piece.substr(between, start - between));
      result.push_back(piece.substr(start, end - start));
      between = start = end;
    }
    if (between < piece.size()) result.push_back(piece.substr(between));
  }
  pieces = std::move(result);
}

template <class Accept>
auto one(Accept accept) {
  return [accept](const Scan& scan, std::size_t start) {
    const Char c = scan.at(start);
    return accept(c) ? start + c.size : start;
  };
}

/// \s?X+
template <class Accept>
auto spaced_run(Accept accept) {
  return [accept](const Scan& scan, std::size_t start) {
    const Char c = scan.at(start);
    const std::size_t body = is_space(c) ? start + c.size : start;
    const std::size_t end = scan.skip(body, accept);
    return end == body ? start : end;
  };
}

/// [\r\n] then \s?\p{L}+ then \s?\p{P}+ then [U+4E00-U+9FA5 U+0800-U+4E00 U+AC00-U+D7FF]+ then \p{N}
void deepseek_coder(std::string_view text, std::vector<std::string_view>& pieces) {
  std::vector<std::string_view> parts{text};
  const auto is_mark = [](Char c) { return c.kind == CharClass::punctuation; };
  const auto is_ideograph = [](Char c) {
    return (c.code_point >= 0x800 && c.code_point <= 0x9FA5) || (c.code_point >= 0xAC00 && c.code_point <= 0xD7FF);
  };
  split(parts, is_newline, one(is_newline));
  split(parts, [](Char c) { return is_space(c) || is_letter(c); }, spaced_run(is_letter));
  split(parts, [=](Char c) { return is_space(c) || is_mark(c); }, spaced_run(is_mark));
  split(parts, is_ideograph, [=](const Scan& scan, std::size_t start) { return scan.skip(start, is_ideograph); });
  split(parts, is_number, one(is_number));
  pieces.insert(pieces.end(), parts.begin(), parts.end());
}

void digits(std::string_view text, std::vector<std::string_view>& pieces) {
  std::vector<std::string_view> parts{text};
  split(parts, is_number, one(is_number));
  for (const std::string_view part : parts) cut(part, gpt2_piece, pieces);
}

}  // namespace

std::optional<PreTokenizerChoice> choose_pre_tokenizer(std::string_view name) noexcept {
  using Choice = std::pair<std::string_view, PreTokenizerChoice>;
  static constexpr PreTokenizerChoice kGpt2{PreTokenizer::gpt2, false, false};
  static constexpr PreTokenizerChoice kDigits{PreTokenizer::digits, false, false};
  static constexpr PreTokenizerChoice kLlama3{PreTokenizer::llama3, true, true};
  static constexpr PreTokenizerChoice kQwen2{PreTokenizer::qwen2, false, false};
  static constexpr auto kChoices = std::to_array<Choice>({
      {"default", kGpt2},     {"gpt-2", kGpt2},
      {"gpt2", kGpt2},        {"mpt", kGpt2},
      {"olmo", kGpt2},        {"phi-2", kGpt2},
      {"llama-bpe", kLlama3}, {"llama3", kLlama3},
      {"llama-v3", kLlama3},  {"dbrx", kLlama3},
      {"smaug-bpe", kLlama3}, {"falcon3", kLlama3},
      {"qwen2", kQwen2},      {"deepseek-r1-qwen", kQwen2},
      {"stablelm2", kQwen2},  {"hunyuan", kQwen2},
      {"starcoder", kDigits}, {"refact", kDigits},
      {"smollm", kDigits},    {"codeshell", kDigits},
      {"command-r", kDigits}, {"deepseek-coder", {PreTokenizer::deepseek_coder, false, false}},
  });
  for (const auto& [known, choice] : kChoices) {
    if (known == name) return choice;
  }
  return std::nullopt;
}

void pretokenize(PreTokenizer scanner, std::string_view text, std::vector<std::string_view>& pieces) {
  if (text.empty()) return;
  switch (scanner) {
    case PreTokenizer::gpt2:
      return cut(text, gpt2_piece, pieces);
    case PreTokenizer::digits:
      return digits(text, pieces);
    case PreTokenizer::llama3:
      return cut(text, [](const Scan& scan, std::size_t start) { return llama3_piece(scan, start, 3); }, pieces);
    case PreTokenizer::qwen2:
      return cut(text, [](const Scan& scan, std::size_t start) { return llama3_piece(scan, start, 1); }, pieces);
    case PreTokenizer::deepseek_coder:
      return deepseek_coder(text, pieces);
  }
}

}  // namespace heed
