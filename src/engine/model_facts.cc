// model_facts.cc -- metadata and the list of tensors, told.
#include "engine/model_facts.h"

#include <algorithm>
#include <map>
#include <utility>

#include "core/dtype.h"
#include "formats/model_file.h"
#include "model/family.h"
#include "text/tokenizer.h"

namespace heed {
namespace {

using Json = nlohmann::ordered_json;

// GGUF's general.file_type where a name says more than the type of most bytes does.
constexpr std::pair<std::int64_t, const char*> kMixes[] = {
    {11, "Q3_K_S"}, {12, "Q3_K_M"}, {13, "Q3_K_L"}, {14, "Q4_K_S"}, {15, "Q4_K_M"}, {16, "Q5_K_S"}, {17, "Q5_K_M"}};

struct ToJson {
  Json operator()(const MetaArray&) const { return Json::array(); }
  Json operator()(const std::string& text) const {
    return Json::parse(Json(text).dump(-1, ' ', false, Json::error_handler_t::replace));
  }
  template <class T>
  Json operator()(const T& value) const {
    return value;
  }
};

std::string quantization_of(const ModelFile& file, std::int64_t file_type) {
  const auto mix =
      std::find_if(std::begin(kMixes), std::end(kMixes), [&](const auto& m) { return m.first == file_type; });
  if (mix != std::end(kMixes)) return mix->second;
  std::map<DType, std::int64_t> bytes;
  for (const NamedTensor& named : file.tensors()) bytes[named.tensor.dtype] += named.tensor.bytes();
  const auto most =
      std::max_element(bytes.begin(), bytes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == bytes.end() ? std::string() : std::string(info(most->first).name);
}

}  // namespace

Expected<ModelFacts> model_facts(const std::string& path) {
  HEED_ASSIGN(const std::unique_ptr<ModelFile> file, open_model_file(path));
  const Metadata& metadata = file->metadata();
  ModelFacts facts{.format = file->format()};
  HEED_ASSIGN(facts.family, metadata.text("general.architecture", ""));
  HEED_ASSIGN(facts.chat_template, metadata.text("tokenizer.chat_template", ""));
  HEED_ASSIGN(const std::int64_t file_type, metadata.integer("general.file_type", -1, -1));
  facts.quantization = quantization_of(*file, file_type);
  for (const NamedTensor& named : file->tensors()) facts.parameters += named.tensor.rows() * named.tensor.cols();
  for (const auto& [key, value] : metadata.all()) {
    if (key != "tokenizer.chat_template" && key != "tokenizer.huggingface.json")
      facts.info[key] = std::visit(ToJson(), value);
  }
  facts.info["general.parameter_count"] = facts.parameters;
  // What heed cannot load it can still describe.
  if (const auto spec = read_spec(metadata)) facts.makes_vectors = spec->pooling != Pooling::none;
  if (const auto tokenizer = Tokenizer::from_metadata(metadata)) {
    const Tokenizer::FimTokens& fim = (*tokenizer)->fim();
    facts.fills_gaps = fim.prefix >= 0 && fim.suffix >= 0 && fim.middle >= 0;
  }
  return facts;
}

}  // namespace heed
