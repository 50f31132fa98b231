// stream_decode.h -- tokens in, whole characters out: bytes of an unfinished UTF-8 character are held back.
#pragma once
#include <cstdint>
#include <string>

#include "text/tokenizer.h"

namespace heed {

class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer) : tokenizer_(&tokenizer) {}
  /// Valid UTF-8 that became certain with this token (may be empty). Invalid bytes become U+FFFD.
  std::string push(std::int32_t token);
  /// What is still held back, as U+FFFD where incomplete.
  std::string finish();

 private:
  const Tokenizer* tokenizer_;
  std::string pending_;
  bool at_start_ = true;
};

}  // namespace heed
