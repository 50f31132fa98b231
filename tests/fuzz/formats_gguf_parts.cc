// formats_gguf_parts.cc -- one model in several GGUF files, told apart by the magic number of the next.
#include "formats/gguf.h"
#include "tests/fuzz/gguf_seeds.h"
#include "tests/fuzz/parser.h"

namespace heed::fuzz {
namespace {

bool read(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  std::vector<GgufFile> parts;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t next = std::min(text.find("GGUF", at + 4), text.size());
    if (auto part = GgufFile::parse(bytes.subspan(at, next - at))) parts.push_back(std::move(*part));
    at = next;
  }
  const auto joined = GgufFile::join(std::move(parts));
  if (!loaded(joined)) return false;
  touch(*joined, bytes);
  return true;
}

std::vector<std::string> seeds() {
  using namespace testing_gguf;
  std::vector<std::string> out;
  for (const std::uint16_t count : std::initializer_list<std::uint16_t>{1, 2, 3, 7}) {
    std::string parts;
    for (std::uint16_t part = 0; part < count; ++part) parts += text_of(split_part(part, count, count));
    out.push_back(parts);
  }
  return out;
}

const Row kParts({.name = "gguf_parts", .read = read, .seeds = seeds});

}  // namespace
}  // namespace heed::fuzz
