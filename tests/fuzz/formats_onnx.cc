// formats_onnx.cc -- bytes as an ONNX file: what was read lies within them. And as a T5 that such a file may hold.
#include "formats/onnx.h"
#include "formats/onnx_t5.h"
#include "tests/fuzz/memory_files.h"
#include "tests/fuzz/parser.h"
#include "tests/unit/formats/onnx_t5_builder.h"

namespace heed::fuzz {
namespace {

using namespace onnx_file;

bool read(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  const auto file = parse_onnx(bytes);
  if (!loaded(file)) return false;
  for (const OnnxGraph& graph : file->graphs)
    for (const auto& [name, tensor] : graph.tensors) {
      const bool is_own = !tensor.few.empty() && tensor.data.data() == tensor.few.data();
      const bool is_within = tensor.data.empty() || is_own ||
                             (tensor.data.data() >= bytes.data() &&
                              tensor.data.data() + tensor.data.size() <= bytes.data() + bytes.size());
      require(is_within && tensor.values() >= 0, "a view lies in the file");
    }
  return true;
}

bool read_t5(std::string_view text) {
  MemoryFiles files({{"all.onnx", std::string(text)}});
  const auto model = OnnxT5::open("all.onnx", files);
  if (!loaded(model)) return false;
  volatile unsigned sum = 0;
  for (const NamedTensor& named : model->tensors())
    for (std::int64_t i = 0; i < named.tensor.bytes(); ++i) sum = sum + static_cast<unsigned>(named.tensor.data[i]);
  return true;
}

std::vector<std::string> seeds() {
  const std::string scale = bytes(5, number(2, 1) + bytes(4, std::string("\0\0\0\x3f", 4)) + bytes(8, "w_scale"));
  const std::string zero = bytes(5, number(2, 3) + number(5, 0) + bytes(8, "w_zero_point"));
  const std::string other = bytes(5, number(1, 1) + number(2, 7) + bytes(8, "shape") + bytes(9, "12345678"));
  const std::string small =
      model(node("MatMulInteger", "/q/MatMul", "x", "w") + raw_tensor("w", {2, 3}, 3, "abcdef") + scale + zero + other);
  return {small, small + model(node("MatMul", "b", "x", "w")) + "{text}",
          model(node("MatMul", "n", "x", "w") + raw_tensor("w", {2, 1}, 1, "12345678"))};
}

std::vector<std::string> t5_seeds() { return {t5_stack("enc", false) + t5_stack("m.decoder", true) + "{}"}; }

const Row kFile({.name = "onnx", .read = read, .seeds = seeds, .memory_factor = 16});
const Row kT5({.name = "onnx_t5", .read = read_t5, .seeds = t5_seeds, .memory_factor = 16});

}  // namespace
}  // namespace heed::fuzz
