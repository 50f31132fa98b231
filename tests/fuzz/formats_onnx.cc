// formats_onnx.cc -- libFuzzer: bytes as an ONNX file. What was read lies within them.
#include <cstdint>
#include <cstdlib>

#include "formats/onnx.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto file = heed::parse_onnx(bytes);
  if (!file) return 0;
  for (const heed::OnnxGraph& graph : file->graphs)
    for (const auto& [name, tensor] : graph.tensors) {
      const bool is_own = !tensor.few.empty() && tensor.data.data() == tensor.few.data();
      const bool is_within = tensor.data.empty() || is_own ||
                             (tensor.data.data() >= bytes.data() &&
                              tensor.data.data() + tensor.data.size() <= bytes.data() + bytes.size());
      if (!is_within || tensor.values() < 0) std::abort();
    }
  return 0;
}
