// regex.h -- one compiled regular expression (PCRE2), shared by all threads.
#pragma once
#include <cstddef>
#include <functional>
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
  /// visit(begin, end) for each match of `text`, which is valid UTF-8, from the left; empty ones too if asked for, but
  /// for those right after a match. Where the expression asks for too much time there are no more.
  void each_match(std::string_view text, Empty empty, const std::function<void(std::size_t, std::size_t)>& visit) const;

 private:
  struct Code;
  std::shared_ptr<const Code> code_;
};

}  // namespace heed
