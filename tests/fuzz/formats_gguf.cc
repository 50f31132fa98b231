// formats_gguf.cc -- libFuzzer: any bytes are a GGUF file or a named error, and every view lies inside the bytes.
#include <cstdint>
#include <cstdlib>

#include "formats/gguf.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto file = heed::GgufFile::parse({reinterpret_cast<const std::byte*>(data), size});
  if (!file) {
    if (file.error().text.empty()) std::abort();
    return 0;
  }
  const auto* end = reinterpret_cast<const std::byte*>(data) + size;
  volatile unsigned sum = 0;
  for (const heed::NamedTensor& named : file->tensors()) {
    const heed::Tensor& t = named.tensor;
    if (t.bytes() <= 0 || t.data + t.bytes() > end || file->find(named.name) != &t) std::abort();
    sum = sum + static_cast<unsigned>(t.data[0]) + static_cast<unsigned>(t.data[t.bytes() - 1]);
  }
  return 0;
}
