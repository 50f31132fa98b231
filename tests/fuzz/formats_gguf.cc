// formats_gguf.cc -- any bytes are a GGUF file or a named error, and every view lies inside the bytes.
#include "formats/gguf.h"
#include "tests/fuzz/gguf_seeds.h"
#include "tests/fuzz/parser.h"

namespace heed::fuzz {
namespace {

bool read(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  const auto file = GgufFile::parse(bytes);
  if (!loaded(file)) {
    require(file.error().text.starts_with("gguf: "), "an error names its format");
    return false;
  }
  touch(*file, bytes);
  return true;
}

std::vector<std::string> seeds() {
  using namespace testing_gguf;
  std::vector<std::string> out;
  for (const std::uint32_t version : {1u, 2u, 3u})
    for (const GgufBuilder& seed : {every_value(version), every_tensor(version), small_model(version)})
      out.push_back(text_of(seed));
  return out;
}

/// Keys of every type, and vocabularies: what stands before the tensors.
std::vector<std::string> metadata_seeds() {
  using namespace testing_gguf;
  return {text_of(every_value(1)), text_of(every_value(3)), golden("tokenizers/unigram.gguf"),
          golden("lora/llama.lora.gguf")};
}

const Row kFile({.name = "gguf", .read = read, .seeds = seeds});
const Row kMetadata({.name = "gguf_metadata", .read = read, .seeds = metadata_seeds});

}  // namespace
}  // namespace heed::fuzz
