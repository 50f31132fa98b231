// regex.cc -- PCRE2 behind one class.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/regex.h"

#include <pcre2.h>

#include <array>
#include <string>

#include "text/onig_pattern.h"
#include "text/utf8.h"

namespace heed {

struct Regex::Code {
  pcre2_code* compiled = nullptr;

  explicit Code(pcre2_code* code) noexcept : compiled(code) {}
  ~Code() { pcre2_code_free(compiled); }
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;
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
struct FreeCompileContext {
  void operator()(pcre2_compile_context* context) const noexcept { pcre2_compile_context_free(context); }
};

// What one call of each_match() needs.
class Matcher {
 public:
  Matcher() : data_(pcre2_match_data_create(1, nullptr)), context_(pcre2_match_context_create(nullptr)) {
    if (context_) pcre2_set_match_limit(context_.get(), kMostSteps);
  }

  /// The first match at or after `from`.
  bool next(const pcre2_code* code, std::string_view text, std::size_t from, std::uint32_t options, std::size_t& begin,
            std::size_t& end) const noexcept {
    if (!data_ || !context_) return false;
    const auto match = [&](std::uint32_t more) {
      return pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                         PCRE2_NO_UTF_CHECK | options | more, data_.get(), context_.get());
    };
    int found = match(0);
    if (found == PCRE2_ERROR_JIT_STACKLIMIT) found = match(PCRE2_NO_JIT);
    if (found < 0) return false;
    const PCRE2_SIZE* range = pcre2_get_ovector_pointer(data_.get());
    begin = range[0];
    end = range[1];
    return begin <= end && begin >= from;  // \K may turn them round
  }

 private:
  std::unique_ptr<pcre2_match_data, FreeMatch> data_;
  std::unique_ptr<pcre2_match_context, FreeContext> context_;
};

}  // namespace

Expected<Regex> Regex::compile(std::string_view pattern) {
  int error = 0;
  PCRE2_SIZE place = 0;
  const std::unique_ptr<pcre2_compile_context, FreeCompileContext> context(pcre2_compile_context_create(nullptr));
  if (!context) return fail(heed::Code::out_of_memory, "tokenizer: regular expression: out of memory");
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), PCRE2_UTF | PCRE2_UCP,
                                   &error, &place, context.get());
  if (!code) {
    std::array<PCRE2_UCHAR, 256> text{};
    pcre2_get_error_message(error, text.data(), text.size());
    return fail(heed::Code::invalid_argument, "tokenizer: regular expression, byte " + std::to_string(place) + ": " +
                                                  reinterpret_cast<const char*>(text.data()));
  }
  Regex out;
  out.code_ = std::make_shared<const Code>(code);
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // where it cannot, matching interprets
  return out;
}

Expected<Regex> Regex::compile_oniguruma(std::string_view pattern) {
  HEED_ASSIGN(const std::string translated, pcre_of_oniguruma(pattern));
  return compile(translated);
}

void Regex::each_match(std::string_view text, Empty empty,
                       const std::function<void(std::size_t, std::size_t)>& visit) const {
  const Matcher matcher;
  const std::uint32_t options = empty == Empty::skip ? PCRE2_NOTEMPTY : 0;
  constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::size_t from = 0, last_end = kNone, begin = 0, end = 0;
  while (from <= text.size() && matcher.next(code_->compiled, text, from, options, begin, end)) {
    if (begin == end && end == last_end) {
      if (from == text.size()) return;
      from += utf8_first(text.substr(from)).size;
      continue;
    }
    from = last_end = end;
    visit(begin, end);
  }
}

}  // namespace heed
