// formats_gguf.cc -- libFuzzer: any bytes are a GGUF file, or the parts of one, or a named error, and every view lies
// inside the bytes.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "formats/gguf.h"

namespace {

using Bytes = std::span<const std::byte>;

void touch(const heed::GgufFile& file, Bytes bytes) {
  volatile unsigned sum = 0;
  for (const heed::NamedTensor& named : file.tensors()) {
    const heed::Tensor& t = named.tensor;
    const bool is_inside = t.data >= bytes.data() && t.data + t.bytes() <= bytes.data() + bytes.size();
    if (t.bytes() <= 0 || !is_inside || file.find(named.name) != &t) std::abort();
    sum = sum + static_cast<unsigned>(t.data[0]) + static_cast<unsigned>(t.data[t.bytes() - 1]);
  }
}

// Parts are told apart by the magic number of the next.
std::vector<Bytes> parts_of(Bytes bytes) {
  std::vector<Bytes> parts;
  while (bytes.size() > 4) {
    std::size_t next = 4;
    while (next + 4 <= bytes.size() && std::memcmp(bytes.data() + next, "GGUF", 4) != 0) ++next;
    if (next + 4 > bytes.size()) next = bytes.size();
    parts.push_back(bytes.first(next));
    bytes = bytes.subspan(next);
  }
  return parts;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto file = heed::GgufFile::parse(bytes);
  if (!file && file.error().text.empty()) std::abort();
  if (file) touch(*file, bytes);
  std::vector<heed::GgufFile> parts;
  for (const Bytes part : parts_of(bytes))
    if (auto one = heed::GgufFile::parse(part)) parts.push_back(std::move(*one));
  const auto joined = heed::GgufFile::join(std::move(parts));
  if (!joined && joined.error().text.empty()) std::abort();
  if (joined) touch(*joined, bytes);
  return 0;
}
