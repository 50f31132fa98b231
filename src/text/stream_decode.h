// stream_decode.h -- tokens in, whole characters out: bytes of an unfinished UTF-8 character are held back.
#pragma once
#include <cstdint>
#include <string>

#include "text/tokenizer.h"

namespace heed {

/// Whether the tokens begin a text, whose artificial leading space goes away, or go on in one, where a space is a
/// space.
enum class TextPlace : std::uint8_t { start, middle };

class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer, TextPlace place = TextPlace::start)
      : tokenizer_(&tokenizer), at_start_(place == TextPlace::start) {}
  /// Valid UTF-8 that became certain with this token (may be empty). Invalid bytes become U+FFFD.
  std::string push(std::int32_t token);
  /// What is still held back, as U+FFFD where incomplete.
  std::string finish();

 private:
  const Tokenizer* tokenizer_;
  std::string pending_;
  bool at_start_;
};

}  // namespace heed
