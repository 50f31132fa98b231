// formats_hub.cc -- a hub's directory: config.json and its kin, an index, shards.
#include "formats/hf_model.h"
#include "tests/fuzz/memory_files.h"
#include "tests/fuzz/parser.h"
#include "tests/unit/formats/safetensors_builder.h"

namespace heed::fuzz {
namespace {

using testing_safetensors::entry;

bool read(std::string_view bytes) {
  FileTexts files;
  for (auto& [name, text] : parted(bytes)) files.emplace("hub/" + name, std::move(text));
  MemoryFiles layer(std::move(files));
  const auto model = HfModel::open("hub", layer);
  if (!loaded(model)) return false;
  for (const NamedTensor& named : model->tensors()) {
    require(model->find(named.name) == &named.tensor, "a tensor is found by its name");
    volatile unsigned sum = 0;
    const auto look = [&](const Tensor& t) {
      for (std::int64_t i = 0; i < t.bytes(); ++i) sum = sum + static_cast<unsigned>(t.data[i]);
    };
    const TensorSource* source = model->source(named.name);
    require(source || named.tensor.data, "a tensor has numbers or says where they are");
    if (!source) look(named.tensor);
    if (source)
      for (const Tensor& piece : source->pieces) look(piece);
  }
  return true;
}

std::string weights(const std::string& table, std::size_t data_bytes) {
  const auto bytes = testing_safetensors::file_of("{" + table + "}", data_bytes);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::vector<std::string> seeds() {
  const std::string norm = entry("model.norm.weight", "F32", "[4]", 0, 16);
  const std::string one = norm + "," + entry("model.layers.0.self_attn.q_proj.weight", "BF16", "[4,4]", 16, 48);
  std::vector<std::string> out;
  for (const char* name :
       {"gemma", "gemma2", "gemma3", "llama", "llama3-rope", "mixtral", "phi3", "qwen2", "qwen2moe", "qwen3"}) {
    const std::string hub = std::string("hub/") + name + "/";
    out.push_back(joined({{"config.json", golden(hub + "config.json")},
                          {"generation_config.json", golden(hub + "generation_config.json")},
                          {"model.safetensors", weights(one, 48)}}));
  }
  out.push_back(joined({{"config.json", golden("hub/bert/config.json")},
                        {"1_Pooling/config.json", golden("hub/bert/1_Pooling/config.json")},
                        {"sentence_bert_config.json", golden("hub/bert/sentence_bert_config.json")},
                        {"modules.json", R"([{"idx":0,"type":"sentence_transformers.models.Transformer"}])"},
                        {"model.safetensors", weights(entry("embeddings.LayerNorm.gamma", "F32", "[4]", 0, 16), 16)}}));
  const std::string config = golden("hub/mixtral/config.json");
  std::string experts = norm;
  for (int e = 0; e < 4; ++e)
    experts += "," + entry("model.layers.0.block_sparse_moe.experts." + std::to_string(e) + ".w1.weight", "BF16",
                           "[2,4]", static_cast<std::uint64_t>(16 + e * 16), static_cast<std::uint64_t>(32 + e * 16));
  out.push_back(joined({{"config.json", config}, {"model.safetensors", weights(experts, 80)}}));
  out.push_back(joined(
      {{"config.json", golden("hub/llama/config.json")},
       {"model.safetensors.index.json",
        R"({"metadata":{"total_size":32},"weight_map":{"model.norm.weight":"a.safetensors","lm_head.weight":"b.safetensors"}})"},
       {"a.safetensors", weights(norm, 16)},
       {"b.safetensors", weights(entry("lm_head.weight", "F32", "[1,4]", 0, 16), 16)},
       {"tokenizer.json", "{}"},
       {"chat_template.jinja", "{{ x }}"},
       {"tokenizer_config.json",
        R"({"add_bos_token":true,"bos_token":{"content":"<s>"},"chat_template":[{"name":"default","template":"{{ y }}"}]})"}}));
  return out;
}

const Row kHub({.name = "hub_directory", .read = read, .seeds = seeds, .memory_factor = 64});

}  // namespace
}  // namespace heed::fuzz
