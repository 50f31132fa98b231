// stream_decode.cc -- at most three bytes are held back: the beginning of a character that later tokens may complete.
#include "text/stream_decode.h"

#include <span>

#include "text/utf8.h"

namespace heed {

std::string StreamDecoder::push(std::int32_t token) {
  pending_ += tokenizer_->decode(std::span(&token, 1), false, at_start_);
  if (at_start_) at_start_ = tokenizer_->token_bytes(token).empty();
  std::string text;
  pending_.erase(0, utf8_append_valid(pending_, text));
  return text;
}

std::string StreamDecoder::finish() {
  std::string text;
  if (!pending_.empty()) text = kReplacementUtf8;
  pending_.clear();
  at_start_ = true;
  return text;
}

}  // namespace heed
