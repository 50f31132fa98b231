// formats_hub_bundle.cc -- a hub's directory in one file: JSON texts behind the tensors of a .safetensors file.
#include "formats/hf_model.h"
#include "tests/fuzz/memory_files.h"
#include "tests/fuzz/parser.h"
#include "tests/unit/formats/safetensors_builder.h"

namespace heed::fuzz {
namespace {

using testing_safetensors::entry;

bool read(std::string_view bytes) {
  MemoryFiles layer({{"hub/one.safetensors", std::string(bytes)}});
  const auto model = HfModel::open("hub/one.safetensors", layer);
  if (!loaded(model)) return false;
  for (const NamedTensor& named : model->tensors())
    require(named.tensor.data || model->source(named.name), "a tensor has numbers or says where they are");
  return true;
}

std::vector<std::string> seeds() {
  const auto bytes =
      testing_safetensors::file_of("{" + entry("embeddings.position_embeddings.weight", "F32", "[8,4]", 0, 128) + "," +
                                       entry("embeddings.LayerNorm.gamma", "F32", "[4]", 128, 144) + "}",
                                   144);
  const std::string tensors(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::string modules = R"([{"idx":0,"type":"sentence_transformers.models.Transformer"}])";
  const auto file = [](const char* name) { return golden(std::string("hub/") + name); };
  return {tensors + file("bert/config.json") + file("bert/tokenizer.json") + modules +
              file("bert/1_Pooling/config.json") + file("bert/sentence_bert_config.json"),
          tensors + file("roberta/config.json"), tensors + "\n" + file("modern-bert/config.json") + modules};
}

const Row kBundle({.name = "hub_bundle", .read = read, .seeds = seeds, .memory_factor = 64});

}  // namespace
}  // namespace heed::fuzz
