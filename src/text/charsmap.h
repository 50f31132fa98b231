// charsmap.h -- SentencePiece's table of replacements (precompiled_charsmap): which characters become which others,
// mostly NFKC.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"

namespace heed {

class Charsmap {
 public:
  struct Match {
    std::size_t size = 0;   // bytes that are replaced; 0: none
    std::string_view text;  // what replaces them, valid UTF-8; lives as long as the table
  };

  Charsmap() = default;
  /// As files hold it: bytes of the trie (32 bits, little endian), the trie (Darts-clone: 32-bit units of a double
  /// array), texts that each end with a zero. Errors: malformed. Whatever the trie holds, a look-up stays in bounds.
  static Expected<Charsmap> read(std::string_view bytes);

  bool is_empty() const noexcept { return units_.empty(); }
  /// What `text` begins with, the longest or the shortest of the table's keys.
  Match longest(std::string_view text) const noexcept;
  Match shortest(std::string_view text) const noexcept;

 private:
  template <class Visit>
  void each_match(std::string_view text, const Visit& visit) const noexcept;

  std::vector<std::uint32_t> units_;
  std::string texts_;
};

}  // namespace heed
