// formats_llama2c.cc -- libFuzzer: any bytes are a checkpoint and its vocabulary, or a named error.
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "formats/llama2c.h"

// The first two bytes say how many of the rest are the checkpoint's.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  std::uint16_t cut = 0;
  std::memcpy(&cut, data, 2);
  const std::span<const std::byte> rest(reinterpret_cast<const std::byte*>(data) + 2, size - 2);
  const std::size_t checkpoint = std::min<std::size_t>(cut, rest.size());
  const auto file = heed::Llama2cFile::parse(rest.first(checkpoint), rest.subspan(checkpoint));
  if (!file) {
    if (file.error().text.empty()) std::abort();
    return 0;
  }
  volatile unsigned sum = 0;
  for (const heed::NamedTensor& named : file->tensors())
    sum = sum + static_cast<unsigned>(named.tensor.data[named.tensor.bytes() - 1]);
  return 0;
}
