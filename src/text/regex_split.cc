// regex_split.cc -- PCRE2 behind one class.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/regex_split.h"

#include <pcre2.h>

#include <array>
#include <string>

#include "text/utf8.h"

namespace heed {

struct RegexSplit::Expression {
  pcre2_code* code = nullptr;

  explicit Expression(pcre2_code* compiled) noexcept : code(compiled) {}
  ~Expression() { pcre2_code_free(code); }
  Expression(const Expression&) = delete;
  Expression& operator=(const Expression&) = delete;
};

namespace {

// Steps of one match: what the known expressions need is a few for each character.
constexpr std::uint32_t kMostSteps = 10'000'000;

struct FreeMatch {
  void operator()(pcre2_match_data* data) const noexcept { pcre2_match_data_free(data); }
};
struct FreeContext {
  void operator()(pcre2_match_context* context) const noexcept { pcre2_match_context_free(context); }
};

// What one call of cut() needs; expressions themselves are shared by all threads.
class Matcher {
 public:
  Matcher() : data_(pcre2_match_data_create(1, nullptr)), context_(pcre2_match_context_create(nullptr)) {
    if (context_) pcre2_set_match_limit(context_.get(), kMostSteps);
  }

  struct Match {
    std::size_t begin, end;
  };
  /// The first match that is not empty at or after `from`; [size, size) if there is none. `text` is valid UTF-8.
  Match next(const pcre2_code* code, std::string_view text, std::size_t from) const noexcept {
    const Match none{text.size(), text.size()};
    if (!data_ || !context_) return none;
    const int found = pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                                  PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY, data_.get(), context_.get());
    if (found < 0) return none;
    const PCRE2_SIZE* range = pcre2_get_ovector_pointer(data_.get());
    return range[0] < range[1] ? Match{range[0], range[1]} : none;  // \K may turn them round
  }

 private:
  std::unique_ptr<pcre2_match_data, FreeMatch> data_;
  std::unique_ptr<pcre2_match_context, FreeContext> context_;
};

void cut_piece(const Matcher& matcher, const pcre2_code* code, std::string_view piece,
               std::vector<std::string_view>& out) {
  for (std::size_t at = 0; at < piece.size();) {
    const auto [begin, end] = matcher.next(code, piece, at);
    if (at < begin) out.push_back(piece.substr(at, begin - at));
    if (begin < end) out.push_back(piece.substr(begin, end - begin));
    at = end;
  }
}

// Bytes from `begin` on that are all valid UTF-8, or all not.
std::size_t run_end(std::string_view text, std::size_t begin, bool valid) noexcept {
  std::size_t at = begin;
  while (at < text.size()) {
    const Utf8Char c = utf8_first(text.substr(at));
    if (c.valid != valid) break;
    at += c.size;
  }
  return at;
}

}  // namespace

Expected<RegexSplit> RegexSplit::compile(std::span<const std::string_view> patterns) {
  RegexSplit out;
  for (const std::string_view pattern : patterns) {
    int error = 0;
    PCRE2_SIZE place = 0;
    pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                     PCRE2_UTF | PCRE2_UCP, &error, &place, nullptr);
    if (!code) {
      std::array<PCRE2_UCHAR, 256> text{};
      pcre2_get_error_message(error, text.data(), text.size());
      return fail(Code::invalid_argument, "tokenizer: regular expression, byte " + std::to_string(place) + ": " +
                                              reinterpret_cast<const char*>(text.data()));
    }
    out.expressions_.push_back(std::make_shared<const Expression>(code));
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // where it cannot, matching interprets
  }
  return out;
}

void RegexSplit::cut(std::string_view text, std::vector<std::string_view>& pieces) const {
  const Matcher matcher;
  std::vector<std::string_view> parts, next;
  for (std::size_t begin = 0; begin < text.size();) {
    const bool valid = utf8_first(text.substr(begin)).valid;
    const std::size_t end = run_end(text, begin, valid);
    parts.assign(1, text.substr(begin, end - begin));
    for (const auto& expression : expressions_) {
      if (!valid) break;
      next.clear();
      for (const std::string_view part : parts) cut_piece(matcher, expression->code, part, next);
      parts.swap(next);
    }
    pieces.insert(pieces.end(), parts.begin(), parts.end());
    begin = end;
  }
}

}  // namespace heed
