// text_tokenizer.cc -- libFuzzer: a small vocabulary and a text out of any bytes. What loads encodes and decodes,
// gives no control token for untrusted text, and streams the same text as it decodes.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "text/stream_decode.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace {

/// Lines of the input: the first says the model, then tokens (type digit, score byte, spelling), merges ("m" and two
/// spellings), a table of replacements ("c" and its bytes); an empty line begins the text.
struct Input {
  heed::Metadata metadata;
  std::string text;
};

std::string model_named(std::string_view line) {
  for (const std::string_view name : {"llama", "bert", "t5"})
    if (line.starts_with(name)) return std::string(name);
  return "gpt2";
}

Input read(std::string_view bytes) {
  std::vector<std::string> tokens, merges;
  std::vector<std::int64_t> types;
  std::vector<double> scores;
  std::vector<std::int64_t> charsmap;
  const auto line = [&] {
    const std::size_t end = std::min(bytes.find('\n'), bytes.size());
    const std::string_view taken = bytes.substr(0, end);
    bytes.remove_prefix(std::min(end + 1, bytes.size()));
    return taken;
  };
  const std::string model(line());
  for (std::string_view now = line(); !now.empty(); now = line()) {
    if (now[0] == 'm') {
      merges.emplace_back(now.substr(1));
    } else if (now[0] == 'c') {
      charsmap.assign(now.begin() + 1, now.end());
    } else {
      types.push_back(now[0] - '0');
      scores.push_back(now.size() > 1 ? now[1] : 0);
      tokens.emplace_back(now.size() > 2 ? now.substr(2) : std::string_view());
    }
  }
  Input input;
  input.metadata.insert("tokenizer.ggml.model", model_named(model));
  input.metadata.insert("tokenizer.ggml.pre", model.size() > 5 ? model.substr(5) : std::string("qwen2"));
  input.metadata.insert("tokenizer.ggml.tokens", heed::MetaArray(tokens));
  input.metadata.insert("tokenizer.ggml.token_type", heed::MetaArray(types));
  input.metadata.insert("tokenizer.ggml.scores", heed::MetaArray(scores));
  input.metadata.insert("tokenizer.ggml.merges", heed::MetaArray(merges));
  input.metadata.insert("tokenizer.ggml.precompiled_charsmap", heed::MetaArray(charsmap));
  input.text = bytes;
  return input;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Input input = read({reinterpret_cast<const char*>(data), size});
  const auto tokenizer = heed::Tokenizer::from_metadata(input.metadata);
  if (!tokenizer) {
    if (tokenizer.error().where.empty()) std::abort();
    return 0;
  }
  const heed::Tokenizer& t = **tokenizer;
  const auto tokens = t.encode(input.text, false, {.add_bos = false});
  heed::StreamDecoder stream(t);
  std::string streamed, whole;
  for (const std::int32_t token : tokens) {
    if (t.kind(token) == heed::TokenKind::control) std::abort();
    streamed += stream.push(token);
  }
  streamed += stream.finish();
  const std::string bytes = t.decode(tokens);
  if (heed::utf8_append_valid(bytes, whole) < bytes.size()) whole += heed::kReplacementUtf8;
  if (streamed != whole) std::abort();
  (void)t.decode(t.encode(input.text, true), true);
  return 0;
}
