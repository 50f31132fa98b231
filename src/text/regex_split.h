// regex_split.h -- pre-tokenizers that are given as regular expressions: cuts text at their matches, one expression
// after another within the pieces so far (Split with behaviour "isolated" of the tokenizers library).
#pragma once
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "core/expected.h"

namespace heed {

class RegexSplit {
 public:
  /// PCRE2 syntax; \w, \s and classes mean Unicode properties. Errors: invalid_argument, with the place in the pattern.
  static Expected<RegexSplit> compile(std::span<const std::string_view> patterns);

  /// Appends the pieces of `text`, in order and without gaps; views into it. A run of invalid bytes is a piece. Where
  /// an expression asks for too much time the rest of its piece stays whole.
  void cut(std::string_view text, std::vector<std::string_view>& pieces) const;

  bool is_empty() const noexcept { return expressions_.empty(); }

 private:
  struct Expression;
  std::vector<std::shared_ptr<const Expression>> expressions_;
};

}  // namespace heed
