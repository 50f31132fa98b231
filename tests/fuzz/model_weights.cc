// model_weights.cc -- GGUF files as models: the sizes that metadata tell, and the weights that must have them.
#include "formats/gguf.h"
#include "kernels/kernels.h"
#include "model/family.h"
#include "model/forward.h"
#include "model/weights.h"
#include "tests/fuzz/parser.h"

namespace heed::fuzz {
namespace {

bool read(std::string_view bytes) {
  const auto file = GgufFile::parse(std::as_bytes(std::span(bytes)));
  if (!loaded(file)) return false;
  const auto spec = read_spec(file->metadata());
  if (!loaded(spec)) return false;
  static ThreadPool pool(1);
  static const Kernels* kernels = &best_kernels();
  Counters counters;
  Arena arena;
  Exec exec{pool, arena, *kernels, counters};
  return loaded(load_weights(*spec, *file, exec));
}

std::vector<std::string> seeds() {
  std::vector<std::string> out;
  for (const char* name :
       {"bert", "cohere2", "deepseek2-yarn", "falcon", "gemma3", "gpt-oss", "gpt2", "granitehybrid", "hybrid", "llama",
        "long-rope", "mixtral", "modern-bert", "nomic-bert", "olmo2", "phi3", "qwen2moe", "t5", "yarn-rope"})
    out.push_back(golden(std::string("models/") + name + ".gguf"));
  return out;
}

const Row kModel({.name = "gguf_model", .read = read, .seeds = seeds, .memory_factor = 16});

}  // namespace
}  // namespace heed::fuzz
