// formats_llama2c.cc -- a checkpoint and its vocabulary: the first two bytes say how many of the rest are the
// checkpoint's.
#include <cstring>

#include "formats/llama2c.h"
#include "tests/fuzz/parser.h"

namespace heed::fuzz {
namespace {

bool read(std::string_view text) {
  if (text.size() < 2) return false;
  std::uint16_t cut = 0;
  std::memcpy(&cut, text.data(), 2);
  const std::size_t size = std::min<std::size_t>(cut, text.size() - 2);
  // A copy of its own: numbers lie at multiples of four, as in a file.
  const std::string checkpoint(text.substr(2, size));
  const auto file =
      Llama2cFile::parse(std::as_bytes(std::span(checkpoint)), std::as_bytes(std::span(text.substr(2 + size))));
  if (!loaded(file)) return false;
  volatile unsigned sum = 0;
  for (const NamedTensor& named : file->tensors())
    for (std::int64_t i = 0; i < named.tensor.bytes(); ++i) sum = sum + static_cast<unsigned>(named.tensor.data[i]);
  return true;
}

struct Shape {
  std::int32_t dim = 32, ffn = 32, layers = 1, heads = 4, kv_heads = 2, vocab = -5, context = 3;
};

std::string seed(const Shape& s) {
  const int head = s.dim / s.heads, kv = head * s.kv_heads, words = std::abs(s.vocab);
  const int values = words * s.dim * (s.vocab < 0 ? 2 : 1) + s.dim + s.context * head +
                     s.layers * (2 * s.dim + 2 * s.dim * s.dim + 2 * kv * s.dim + 3 * s.ffn * s.dim);
  const auto checkpoint_bytes = static_cast<std::uint16_t>(sizeof s + static_cast<std::size_t>(values) * 4);
  std::string out(2 + checkpoint_bytes, '\0');
  std::memcpy(out.data(), &checkpoint_bytes, 2);
  std::memcpy(out.data() + 2, &s, sizeof s);
  std::string tokens(4, '\x08');
  for (const std::string token : {"<unk>", "\n<s>\n", "\n</s>\n", "<0x41>", " a"}) {
    const float score = -static_cast<float>(tokens.size());
    const auto length = static_cast<std::int32_t>(token.size());
    tokens.append(reinterpret_cast<const char*>(&score), 4).append(reinterpret_cast<const char*>(&length), 4);
    tokens += token;
  }
  return out + tokens;
}

std::vector<std::string> seeds() {
  return {seed({}), seed({.vocab = 5}), seed({.heads = 2, .kv_heads = 1}), seed({.ffn = 40}), seed({.layers = 2})};
}

const Row kCheckpoint({.name = "llama2.c", .read = read, .seeds = seeds, .memory_factor = 64});

}  // namespace
}  // namespace heed::fuzz
