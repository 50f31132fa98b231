// regex.cc -- PCRE2 behind one class.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/regex.h"

#include <pcre2.h>

#include <array>
#include <string>

#include "text/onig_pattern.h"
#include "text/utf8.h"

namespace heed {

namespace {

// Steps of one match: what the known expressions need is a few for each character.
constexpr std::uint32_t kMostMatchSteps = 10'000'000;
constexpr std::size_t kNoEnd = static_cast<std::size_t>(-1);

struct FreeCompileContext {
  void operator()(pcre2_compile_context* context) const noexcept { pcre2_compile_context_free(context); }
};

}  // namespace

struct Regex::Code {
  pcre2_code* compiled = nullptr;
  bool is_native = false;  // machine code, which is called without checks of its arguments
  pcre2_match_context* limits = nullptr;

  explicit Code(pcre2_code* code) noexcept : compiled(code), limits(pcre2_match_context_create(nullptr)) {
    is_native = pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) == 0;  // where it cannot, matching interprets
    if (limits) pcre2_set_match_limit(limits, kMostMatchSteps);
  }
  ~Code() {
    pcre2_match_context_free(limits);
    pcre2_code_free(compiled);
  }
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;
};

struct Regex::Search::Data {
  pcre2_match_data* match = pcre2_match_data_create(1, nullptr);

  Data() = default;
  ~Data() { pcre2_match_data_free(match); }
  Data(const Data&) = delete;
  Data& operator=(const Data&) = delete;
};

Regex::Search::Search(const Regex& regex)
    : whole_(regex.code_.get()), known_(regex.known_.get()), data_(std::make_unique<Data>()) {}
Regex::Search::~Search() = default;
Regex::Search::Search(Search&& other) noexcept = default;

void Regex::Search::begin_text(std::string_view text, Empty empty) noexcept {
  text_ = text.empty() ? std::string_view("") : text;  // never null
  code_ = known_ != nullptr && !has_new_characters(text) ? known_ : whole_;
  options_ = empty == Empty::skip ? PCRE2_NOTEMPTY : 0;
  from_ = 0;
  last_end_ = kNoEnd;
}

/// The first match at or after `from_`.
bool Regex::Search::match() noexcept {
  if (is_spent_ || data_->match == nullptr || !code_->limits) return false;
  const auto* text = reinterpret_cast<PCRE2_SPTR>(text_.data());
  int found = PCRE2_ERROR_JIT_STACKLIMIT;
  if (code_->is_native)
    found = pcre2_jit_match(code_->compiled, text, text_.size(), from_, options_, data_->match, code_->limits);
  if (found == PCRE2_ERROR_JIT_STACKLIMIT)
    found = pcre2_match(code_->compiled, text, text_.size(), from_, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT | options_,
                        data_->match, code_->limits);
  is_spent_ = found < 0 && found != PCRE2_ERROR_NOMATCH;
  if (found < 0) return false;
  const PCRE2_SIZE* range = pcre2_get_ovector_pointer(data_->match);
  begin_ = range[0];
  end_ = range[1];
  return begin_ <= end_ && begin_ >= from_;  // \K may turn them round
}

bool Regex::Search::next() noexcept {
  while (from_ <= text_.size() && match()) {
    if (begin_ == end_ && end_ == last_end_) {
      if (from_ == text_.size()) return false;
      from_ += utf8_first(text_.substr(from_)).size;
      continue;
    }
    from_ = last_end_ = end_;
    return true;
  }
  return false;
}

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
  return out;
}

Expected<Regex> Regex::compile_oniguruma(std::string_view pattern) {
  HEED_ASSIGN(const PcrePatterns translated, pcre_of_oniguruma(pattern));
  HEED_ASSIGN(Regex out, compile(translated.whole));
  if (translated.known == translated.whole) return out;
  HEED_ASSIGN(Regex known, compile(translated.known));
  out.known_ = std::move(known.code_);
  return out;
}

}  // namespace heed
