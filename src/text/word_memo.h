// word_memo.h -- texts repeat their words: within one call of encode, a word seen before is copied, not merged again.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/hash.h"

namespace heed {

/// Direct-mapped: a word may push out another, and then costs its merges again. Words and tokens stay where they are
/// while the memo lives.
class WordMemo {
 public:
  /// Short texts do not pay for the table.
  explicit WordMemo(std::size_t text_bytes) : entries_(text_bytes < kWorthBytes ? 0 : kEntries) {}

  /// Appends the word's tokens to `tokens`; `merge(word)` appends them when the word is new.
  template <class Merge>
  void encode(std::string_view word, std::vector<std::int32_t>& tokens, const Merge& merge) {
    if (entries_.empty() || word.size() > kLongestWordBytes) return merge(word);
    Entry& entry = entries_[hash_text(word) % kEntries];
    if (entry.word != word || entry.word.empty()) {
      entry = {word, tokens.size(), 0};
      merge(word);
      entry.count = static_cast<std::uint32_t>(tokens.size() - entry.begin);
      return;
    }
    for (std::size_t i = 0; i < entry.count; ++i) tokens.push_back(tokens[entry.begin + i]);
  }

 private:
  static constexpr std::size_t kEntries = 4096, kWorthBytes = 2048, kLongestWordBytes = 64;

  struct Entry {
    std::string_view word;
    std::size_t begin = 0;  // into the tokens
    std::uint32_t count = 0;
  };

  std::vector<Entry> entries_;
};

}  // namespace heed
