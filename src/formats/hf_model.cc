// hf_model.cc -- maps the files, renames the tensors, and notes what has to be put in GGUF's order.
#include "formats/hf_model.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <limits>
#include <new>
#include <nlohmann/json.hpp>
#include <set>

#include "formats/byte_reader.h"
#include "formats/hf_bundle.h"
#include "formats/hf_config.h"
#include "formats/hf_families.h"
#include "formats/hf_sentence.h"
#include "formats/json_reader.h"
#include "formats/safetensors.h"

namespace heed {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMostConfigBytes = std::size_t{4} << 20;
constexpr std::size_t kMostIndexBytes = std::size_t{64} << 20;
constexpr std::size_t kMostTokenizerBytes = std::size_t{512} << 20;
constexpr std::size_t kMostFiles = 4096;
constexpr const char* kSafetensorsSuffix = ".safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

std::string directory_of(const std::string& path) {
  const bool is_file = path.ends_with(kSafetensorsSuffix) || path.ends_with(".json");
  const std::string folder = is_file ? std::filesystem::path(path).parent_path().string() : path;
  return folder.empty() ? "." : folder;
}

/// Names of files within the directory: nothing that leads out of it.
bool is_plain_name(const std::string& name) {
  return !name.empty() && name[0] != '.' && name.find('/') == std::string::npos &&
         name.find('\\') == std::string::npos && name.ends_with(kSafetensorsSuffix);
}

struct Piece {
  std::int64_t expert;
  Tensor tensor;
};

}  // namespace

class HfReader {
 public:
  HfReader(const std::string& path, FileLayer& files) : path_(path), folder_(directory_of(path)), files_(files) {}

  Expected<HfModel> read() {
    HEED_TRY(open_bundle());
    HEED_ASSIGN(const Json config, json("config.json", kMostConfigBytes, true));
    HEED_ASSIGN(const Json generation, json("generation_config.json", kMostConfigBytes, false));
    HEED_ASSIGN(family_, read_hf_family(config));
    out_.format_ = "safetensors";
    HEED_TRY(read_hf_config(config, *family_, out_.metadata_));
    HEED_TRY(read_hf_token_ids(config, generation, out_.metadata_));
    HEED_TRY(read_texts());
    HEED_TRY(read_tensors());
    HEED_TRY(name_tensors(config));
    HEED_TRY(add_rope_factors(config));
    HEED_TRY(out_.index_tensors());
    return std::move(out_);
  }

 private:
  std::string at(const std::string& name) const { return folder_ + "/" + name; }
  bool is_bundle() const { return !behind_.empty(); }
  bool exists(const std::string& name) const {
    return is_bundle() ? behind_.contains(name) : files_.size(at(name)).has_value();
  }

  /// A .safetensors file alone may hold the directory's texts behind its tensors.
  Expected<void> open_bundle() {
    if (!path_.ends_with(kSafetensorsSuffix)) return {};
    HEED_ASSIGN(bundle_, files_.map(path_));
    const auto bytes = bundle_.bytes();
    const auto tensor_bytes = safetensors_bytes(bytes);
    if (!tensor_bytes) return in_file(path_, tensor_bytes.error());
    tensor_bytes_ = *tensor_bytes;
    auto behind =
        split_hub_texts({reinterpret_cast<const char*>(bytes.data()) + tensor_bytes_, bytes.size() - tensor_bytes_});
    if (!behind) return in_file(path_, std::move(behind).error());
    behind_ = std::move(*behind);
    return {};
  }

  Expected<std::string> text(const std::string& name, std::size_t most_bytes) {
    if (is_bundle()) {
      const auto found = behind_.find(name);
      if (found == behind_.end())
        return fail(Code::malformed, path_ + ": there is no " + name + " behind the tensors", path_);
      if (found->second.size() > most_bytes)
        return fail(Code::too_long, path_ + ": " + name + " has more than " + std::to_string(most_bytes) + " bytes",
                    path_);
      return std::string(found->second);
    }
    HEED_ASSIGN(const auto bytes, files_.read(at(name), most_bytes));
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }

  /// An object; an absent file is an empty one.
  Expected<Json> json(const std::string& name, std::size_t most_bytes, bool is_needed) {
    if (!is_needed && !exists(name)) return Json(Json::object());
    HEED_ASSIGN(const std::string bytes, text(name, most_bytes));
    HEED_ASSIGN(Json value, read_json(bytes, at(name)));
    if (!value.is_object())
      return fail(Code::malformed, at(name) + ": expected an object, got " + value.type_name(), at(name));
    return value;
  }

  Expected<void> read_texts() {
    Metadata& m = out_.metadata_;
    const std::filesystem::path named =
        is_bundle() ? std::filesystem::path(path_).stem() : std::filesystem::path(folder_);
    m.insert("general.name", named.lexically_normal().filename().string());
    if (exists("tokenizer.json")) {
      HEED_ASSIGN(std::string tokenizer, text("tokenizer.json", kMostTokenizerBytes));
      m.insert("tokenizer.huggingface.json", std::move(tokenizer));
    }
    if (exists("chat_template.jinja")) {
      HEED_ASSIGN(std::string chat, text("chat_template.jinja", kMostConfigBytes));
      m.insert("tokenizer.chat_template", std::move(chat));
    }
    HEED_ASSIGN(const Json tokenizer, json("tokenizer_config.json", kMostConfigBytes, false));
    HEED_TRY(read_hf_tokenizer_config(tokenizer, m));
    return read_sentence();
  }

  Expected<void> read_sentence() {
    Json modules = Json::array();
    if (exists("modules.json")) {
      HEED_ASSIGN(const std::string bytes, text("modules.json", kMostConfigBytes));
      HEED_ASSIGN(modules, read_json(bytes, at("modules.json")));
    }
    HEED_ASSIGN(const Json pooling, json("1_Pooling/config.json", kMostConfigBytes, false));
    HEED_ASSIGN(const Json sentence, json("sentence_bert_config.json", kMostConfigBytes, false));
    return read_hf_sentence({modules, pooling, sentence}, std::string(family_->architecture), out_.metadata_);
  }

  Expected<void> read_tensors() {
    if (path_.ends_with(kSafetensorsSuffix)) return read_file(std::filesystem::path(path_).filename().string());
    if (!exists(kIndex)) return read_file("model.safetensors");
    HEED_ASSIGN(const Json index, json(kIndex, kMostIndexBytes, true));
    HEED_ASSIGN(const auto placed, placement(index));
    std::set<std::string> names;
    for (const auto& [tensor, file] : placed) names.insert(file);
    if (names.size() > kMostFiles)
      return fail(Code::too_long, at(kIndex) + ": expected at most 4096 files, got " + std::to_string(names.size()));
    for (const std::string& name : names) HEED_TRY(read_file(name));
    return check_index(placed);
  }

  using Placement = std::map<std::string, std::string, std::less<>>;  // tensor -> file

  Expected<Placement> placement(const Json& index) const {
    const auto map = index.find("weight_map");
    if (map == index.end() || !map->is_object())
      return fail(Code::malformed, at(kIndex) + ": key 'weight_map': expected an object", "weight_map");
    Placement placed;
    for (const auto& [tensor, file] : map->items()) {
      if (!file.is_string() || !is_plain_name(file.get<std::string>()))
        return fail(Code::malformed,
                    at(kIndex) + ": tensor '" + printable(tensor) +
                        "': expected the name of a .safetensors file in the same directory",
                    tensor);
      placed.emplace(tensor, file.get<std::string>());
    }
    return placed;
  }

  Expected<void> check_index(const Placement& placed) const {
    std::size_t found = 0;
    for (std::size_t f = 0; f < shards_.size(); ++f)
      for (const NamedTensor& named : shards_[f].tensors) {
        const auto it = placed.find(named.name);
        if (it == placed.end() || it->second != shards_[f].name)
          return fail(
              Code::malformed,
              at(shards_[f].name) + ": tensor '" + printable(named.name) + "' is not of this file, says " + kIndex,
              named.name);
        ++found;
      }
    if (found == placed.size()) return {};
    return fail(Code::malformed, at(kIndex) + ": it names " + std::to_string(placed.size()) +
                                     " tensors, the files hold " + std::to_string(found));
  }

  Expected<void> read_file(const std::string& name) {
    HEED_ASSIGN(MappedFile file, files_.map(at(name)));
    const auto bytes = file.bytes();
    auto tensors = parse_safetensors(is_bundle() ? bytes.first(std::min(tensor_bytes_, bytes.size())) : bytes);
    if (!tensors) return in_file(at(name), std::move(tensors).error());
    out_.file_bytes_ += file.bytes().size();
    shards_.push_back({name, std::move(*tensors)});
    out_.files_.push_back(std::move(file));
    return {};
  }

  /// Every tensor to its GGUF name; parts of stacks wait until all are there.
  Expected<void> name_tensors(const Json& config) {
    const auto tied = config.find("tie_word_embeddings");
    const bool is_tied = tied != config.end() && tied->is_boolean() && tied->get<bool>();
    std::map<std::string, std::vector<Piece>> stacks;
    for (const Shard& shard : shards_)
      for (const NamedTensor& named : shard.tensors) {
        if (named.name.ends_with("rotary_emb.inv_freq")) continue;      // follows from rope_theta
        if (named.name.ends_with("embeddings.position_ids")) continue;  // 0, 1, 2, ...
        if (is_tied && named.name == "lm_head.weight") continue;
        const auto place = hf_place(*family_, named.name);
        if (place && place->name.empty()) continue;
        if (place && place->expert >= 0) {
          stacks[place->name].push_back({place->expert, named.tensor});
        } else {
          HEED_TRY(add(place ? place->name : named.name, named.tensor));
        }
      }
    for (auto& [name, pieces] : stacks) HEED_TRY(add_stack(name, pieces));
    return {};
  }

  Expected<void> add(const std::string& name, const Tensor& tensor) {
    Tensor shown = tensor;
    if (name == "position_embd.weight" && shown.rank == 2 && shown.shape[0] > family_->unused_positions)
      shown = shown.row_range(family_->unused_positions, shown.shape[0] - family_->unused_positions);
    TensorSource source{.pieces = {shown}, .rotary_heads = rotary_heads(name)};
    if (name.ends_with(".ffn_gate_inp_shexp.weight") && shown.rank == 2 && shown.shape[0] == 1)  // a vector in GGUF
      shown = {.data = tensor.data, .dtype = tensor.dtype, .rank = 1, .shape = {tensor.shape[1]}};
    if (family_->norm_add != 0 && name.ends_with("norm.weight")) source.add = family_->norm_add;
    if (source.rotary_heads > 0 && tensor.shape[0] % (2 * source.rotary_heads) != 0)
      return fail(Code::malformed,
                  "safetensors: tensor '" + printable(name) + "': " + std::to_string(tensor.shape[0]) +
                      " rows are not " + std::to_string(source.rotary_heads) + " heads of an even size",
                  name);
    const auto value_bytes = static_cast<std::uintptr_t>(info(tensor.dtype).block_bytes);
    const bool is_aligned = reinterpret_cast<std::uintptr_t>(tensor.data) % value_bytes == 0;
    if (source.add != 0) shown.dtype = DType::f32;
    if (source.add != 0 || source.rotary_heads > 0 || !is_aligned) {
      shown.data = nullptr;
      out_.sources_.emplace(name, std::move(source));
    }
    out_.tensors_.push_back({name, shown});
    return {};
  }

  /// Expert after expert: [experts, rows, cols].
  Expected<void> add_stack(const std::string& name, std::vector<Piece>& pieces) {
    std::sort(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) { return a.expert < b.expert; });
    const Tensor& first = pieces.front().tensor;
    TensorSource source;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      const Tensor& t = pieces[i].tensor;
      if (pieces[i].expert != static_cast<std::int64_t>(i) || t.rank != 2 || t.dtype != first.dtype ||
          t.shape != first.shape)
        return fail(Code::malformed,
                    "safetensors: stack '" + name + "': expected experts 0 to " + std::to_string(pieces.size() - 1) +
                        " of one shape and type",
                    name);
      source.pieces.push_back(t);
    }
    out_.tensors_.push_back({name,
                             {.data = nullptr,
                              .dtype = first.dtype,
                              .rank = 3,
                              .shape = {static_cast<std::int64_t>(pieces.size()), first.shape[0], first.shape[1]}}});
    out_.sources_.emplace(name, std::move(source));
    return {};
  }

  std::int32_t rotary_heads(const std::string& name) const {
    if (!family_->turns_neighbours || !name.starts_with("blk.")) return 0;
    const bool is_q = name.ends_with(".attn_q.weight") || name.ends_with(".attn_q.bias");
    const bool is_k = name.ends_with(".attn_k.weight") || name.ends_with(".attn_k.bias");
    if (!is_q && !is_k) return 0;
    const std::string p = std::string(family_->architecture) + ".attention.head_count";
    const auto heads = out_.metadata_.integer(p, 0, 0, 1 << 16);
    const auto kv_heads = out_.metadata_.integer(p + "_kv", heads ? *heads : 0, 0, 1 << 16);
    return static_cast<std::int32_t>(is_q ? (heads ? *heads : 0) : (kv_heads ? *kv_heads : 0));
  }

  Expected<void> add_rope_factors(const Json& config) {
    HEED_ASSIGN(const std::vector<float> factors, hf_rope_factors(config));
    if (factors.empty()) return {};
    HEED_ASSIGN(Buffer kept, Buffer::make(factors.size() * sizeof(float)));
    std::memcpy(kept.data(), factors.data(), factors.size() * sizeof(float));
    out_.tensors_.push_back(
        {"rope_freqs.weight",
         {.data = kept.data(), .dtype = DType::f32, .rank = 1, .shape = {static_cast<std::int64_t>(factors.size())}}});
    out_.replaced_.push_back(std::move(kept));
    return {};
  }

  struct Shard {
    std::string name;
    std::vector<NamedTensor> tensors;
  };

  std::string path_, folder_;
  FileLayer& files_;
  MappedFile bundle_;                                            // what behind_ views
  std::map<std::string, std::string_view, std::less<>> behind_;  // name -> text
  std::size_t tensor_bytes_ = 0;
  const HfFamily* family_ = nullptr;
  std::vector<Shard> shards_;
  HfModel out_;
};

Expected<HfModel> HfModel::open(const std::string& path, FileLayer& files) try {
  return HfReader(path, files).read();
} catch (const std::bad_alloc&) {
  return fail(Code::out_of_memory, path + ": not enough memory for its texts");
}

bool is_hf_model(const std::string& path, FileLayer& files) {
  return path.ends_with(kSafetensorsSuffix) || path.ends_with(kIndex) || files.size(path + "/config.json").has_value();
}

}  // namespace heed
