// regex_split.h -- pre-tokenizers that are given as regular expressions: cuts text at their matches, one expression
// after another within the pieces so far (Split with behaviour "isolated" of the tokenizers library).
#pragma once
#include <span>
#include <string_view>
#include <vector>

#include "core/expected.h"
#include "text/regex.h"

namespace heed {

class RegexSplit {
 public:
  /// As Regex::compile.
  static Expected<RegexSplit> compile(std::span<const std::string_view> patterns);

  /// Appends the pieces of `text`, in order and without gaps; views into it. A run of invalid bytes is a piece. Where
  /// an expression asks for too much time it cuts no more.
  void cut(std::string_view text, std::vector<std::string_view>& pieces) const;

  bool is_empty() const noexcept { return expressions_.empty(); }

 private:
  std::vector<Regex> expressions_;
};

}  // namespace heed
