// tokenizer_promises.h -- what holds for every tokenizer that loads, whatever its vocabulary, and for every text.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "tests/fuzz/parser.h"
#include "text/stream_decode.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace heed::fuzz {

inline void check_promises(const Tokenizer& t, std::string_view text) {
  const auto tokens = t.encode(text, false, {.add_bos = false});
  StreamDecoder stream(t);
  std::string streamed, whole;
  for (const std::int32_t token : tokens) {
    require(token >= 0 && token < t.vocab_size(), "tokens are of the vocabulary");
    require(t.kind(token) != TokenKind::control, "untrusted text gives no control token");
    streamed += stream.push(token);
  }
  streamed += stream.finish();
  const std::string bytes = t.decode(tokens);
  if (utf8_append_valid(bytes, whole) < bytes.size()) whole += kReplacementUtf8;
  require(streamed == whole, "a stream gives the text");
  const std::vector<Segment> halves = {{std::string(text.substr(0, text.size() / 2)), true},
                                       {std::string(text.substr(text.size() / 2)), false}};
  for (const std::int32_t token : t.encode(halves, {.add_bos = true, .add_eos = true}))
    require(token >= 0 && token < t.vocab_size(), "tokens are of the vocabulary");
  (void)t.decode(t.encode(text, true), true);
}

}  // namespace heed::fuzz
