// regex.h -- one compiled regular expression (PCRE2), shared by all threads.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "core/expected.h"

namespace heed {

class Regex {
 public:
  /// PCRE2 syntax; \w, \s and classes mean Unicode properties. Errors: invalid_argument, with the place in the pattern.
  static Expected<Regex> compile(std::string_view pattern);
  /// Oniguruma's syntax, as the tokenizers library reads it: what means the same to PCRE2 or can be written so, else
  /// unsupported, with the construct.
  static Expected<Regex> compile_oniguruma(std::string_view pattern);

  enum class Empty : unsigned char { skip, visit };
  class Search;

 private:
  struct Code;
  std::shared_ptr<const Code> code_;
  std::shared_ptr<const Code> known_;  // instead, for texts without new characters; null: there is no difference
};

/// Room to match in, for many texts on one thread; lives no longer than its expression.
class Regex::Search {
 public:
  explicit Search(const Regex& regex);
  ~Search();
  Search(Search&& other) noexcept;
  Search& operator=(Search&&) = delete;

  /// visit(begin, end) for each match of `text`, which is valid UTF-8, from the left; empty ones too if asked for, but
  /// for those right after a match. Where the expression asks for too much time there are no more, in this text and in
  /// all that follow.
  template <class Visit>
  void each_match(std::string_view text, Empty empty, const Visit& visit) {
    for (begin_text(text, empty); next();) visit(begin_, end_);
  }

 private:
  void begin_text(std::string_view text, Empty empty) noexcept;
  bool next() noexcept;
  bool match() noexcept;

  struct Data;
  const Code *whole_, *known_;
  const Code* code_ = nullptr;  // for this text
  std::unique_ptr<Data> data_;
  std::string_view text_;
  std::uint32_t options_ = 0;
  bool is_spent_ = false;
  std::size_t from_ = 0, last_end_ = 0, begin_ = 0, end_ = 0;
};

}  // namespace heed
