// model_lora.cc -- adapters in GGUF files, merged into a model that they may or may not fit.
#include "formats/gguf.h"
#include "model/lora.h"
#include "tests/fuzz/gguf_seeds.h"
#include "tests/fuzz/memory_files.h"
#include "tests/fuzz/parser.h"

namespace heed::fuzz {
namespace {

using namespace testing_gguf;

/// Matrices of a plain and a block type, and a vector.
const GgufBuilder& base() {
  static const GgufBuilder kBase = [] {
    GgufBuilder b;
    b.header(3, 1).text("general.architecture", "llama").tensor("w", {256, 3}, 0, 0).tensor("q", {256, 3}, 12, 3072);
    return b.tensor("norm", {256}, 0, 3520).align().data(3520 + 1024);
  }();
  return kBase;
}

bool read(std::string_view bytes) {
  static ThreadPool pool(1);
  MemoryFiles files({{"a.gguf", std::string(bytes)}});
  const auto adapter = LoraAdapter::open("a.gguf", 0.5, files);
  if (!loaded(adapter)) return false;
  auto model = GgufFile::parse(base().bytes());
  require(static_cast<bool>(model), "the model is one");
  if (!loaded(merge_adapters(*model, {&*adapter, 1}, pool))) return false;
  volatile unsigned sum = 0;
  for (const NamedTensor& named : model->tensors())
    for (std::int64_t i = 0; i < named.tensor.bytes(); ++i) sum = sum + static_cast<unsigned>(named.tensor.data[i]);
  return true;
}

std::string adapter(std::uint32_t type, std::size_t row_bytes, const std::string& name) {
  GgufBuilder b;
  b.header(2, 4).text("general.architecture", "llama").text("general.type", "adapter").text("adapter.type", "lora");
  b.scalar("adapter.lora.alpha", kF32, 8.0f).tensor(name + ".lora_a", {256, 2}, type, 0);
  b.tensor(name + ".lora_b", {2, 3}, 0, (2 * row_bytes + 31) / 32 * 32).align();
  return text_of(b.data((2 * row_bytes + 31) / 32 * 32 + 32));
}

std::vector<std::string> seeds() { return {adapter(0, 1024, "w"), adapter(1, 512, "q"), adapter(12, 144, "w")}; }

const Row kAdapter({.name = "lora_adapter", .read = read, .seeds = seeds, .memory_factor = 64});

}  // namespace
}  // namespace heed::fuzz
