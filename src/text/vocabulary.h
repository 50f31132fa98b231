// vocabulary.h -- the tokens of a model file: spelling, kind, and the way from a spelling to its id.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"
#include "formats/metadata.h"
#include "text/tokenizer.h"

namespace heed {

class Vocabulary {
 public:
  /// tokenizer.ggml.tokens and .token_type (all normal when absent). Of tokens with one spelling the first is found.
  static Expected<Vocabulary> read(const Metadata& metadata);

  std::int32_t size() const noexcept { return static_cast<std::int32_t>(kinds_.size()); }
  bool holds(std::int32_t token) const noexcept { return token >= 0 && token < size(); }
  /// As the file spells it; "" for an id out of range.
  std::string_view spelled(std::int32_t token) const noexcept;
  /// unknown for an id out of range.
  TokenKind kind(std::int32_t token) const noexcept;
  void set_kind(std::int32_t token, TokenKind kind) noexcept;
  std::int32_t find(std::string_view spelled) const noexcept;  // -1: none
  std::size_t longest_bytes() const noexcept { return longest_bytes_; }

 private:
  struct Slot {
    std::uint32_t tag = 0;
    std::int32_t token = -1;
  };

  void index();

  std::string spellings_;              // one after another
  std::vector<std::uint32_t> starts_;  // [size + 1]
  std::vector<TokenKind> kinds_;       // [size]
  std::vector<Slot> slots_;            // open addressing, a power of two
  std::size_t longest_bytes_ = 0;
};

}  // namespace heed
