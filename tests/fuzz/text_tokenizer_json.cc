// text_tokenizer_json.cc -- libFuzzer: a tokenizer.json, a zero byte, a text. What loads encodes and decodes, and gives
// no control token for untrusted text.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t end = std::min(input.find('\0'), input.size());
  const auto tokenizer = heed::Tokenizer::from_json(input.substr(0, end));
  if (!tokenizer) {
    if (tokenizer.error().text.empty()) std::abort();
    return 0;
  }
  const std::string text(input.substr(std::min(end + 1, input.size())));
  const heed::Tokenizer& t = **tokenizer;
  const auto tokens = t.encode(text, false, {.add_bos = false});
  for (const std::int32_t token : tokens) {
    if (token < 0 || token >= t.vocab_size()) std::abort();
    if (t.kind(token) == heed::TokenKind::control) std::abort();
  }
  (void)t.decode(tokens);
  const std::vector<heed::Segment> halves = {{text.substr(0, text.size() / 2), true},
                                             {text.substr(text.size() / 2), false}};
  (void)t.decode(t.encode(halves, {.add_bos = true, .add_eos = true}), true);
  return 0;
}
