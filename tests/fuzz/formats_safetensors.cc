// formats_safetensors.cc -- any bytes are a safetensors file or a named error; every view lies inside.
#include "formats/safetensors.h"
#include "tests/fuzz/parser.h"
#include "tests/unit/formats/safetensors_builder.h"

namespace heed::fuzz {
namespace {

using testing_safetensors::entry;

bool read(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  const auto tensors = parse_safetensors(bytes);
  if (!loaded(tensors)) return false;
  volatile unsigned sum = 0;
  for (const NamedTensor& named : *tensors) {
    const Tensor& t = named.tensor;
    require(t.bytes() > 0 && t.data >= bytes.data() && t.data + t.bytes() <= bytes.data() + bytes.size(),
            "a view lies in the file");
    for (std::int64_t i = 0; i < t.bytes(); ++i) sum = sum + static_cast<unsigned>(t.data[i]);
  }
  return true;
}

std::string file(const std::string& table, std::size_t data_bytes) {
  const auto bytes = testing_safetensors::file_of(table, data_bytes);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::vector<std::string> seeds() {
  const std::string three = entry("a", "F32", "[2,3]", 0, 24) + "," + entry("b", "BF16", "[4]", 24, 32) + "," +
                            entry("c", "I8", "[2,2,2]", 32, 40);
  return {file("{" + three + "}", 40), file(R"({"__metadata__":{"format":"pt","x":""},)" + three + "}   ", 40),
          file("{" + entry("model.layers.0.\\u00e9", "F16", "[1,1,1,2]", 0, 4) + "," + entry("z", "F64", "[1]", 4, 12) +
                   "," + entry("i", "I64", "[1]", 12, 20) + "}",
               20)};
}

const Row kFile({.name = "safetensors", .read = read, .seeds = seeds});

}  // namespace
}  // namespace heed::fuzz
