// formats_safetensors.cc -- libFuzzer: any bytes are a safetensors file or a named error; every view lies inside.
#include <cstdint>
#include <cstdlib>

#include "formats/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto tensors = heed::parse_safetensors({reinterpret_cast<const std::byte*>(data), size});
  if (!tensors) {
    if (tensors.error().text.empty()) std::abort();
    return 0;
  }
  const auto* end = reinterpret_cast<const std::byte*>(data) + size;
  volatile unsigned sum = 0;
  for (const heed::NamedTensor& named : *tensors) {
    const heed::Tensor& t = named.tensor;
    if (t.bytes() <= 0 || t.data + t.bytes() > end) std::abort();
    sum = sum + static_cast<unsigned>(t.data[0]) + static_cast<unsigned>(t.data[t.bytes() - 1]);
  }
  return 0;
}
