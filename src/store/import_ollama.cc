// import_ollama.cc -- Ollama's store: manifests/HOST/NAMESPACE/MODEL/TAG name layers, blobs/sha256-HEX hold them.
#include <filesystem>
#include <nlohmann/json.hpp>

#include "store/blobs.h"
#include "store/hub_name.h"
#include "store/import.h"
#include "store/json_limits.h"

namespace heed {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxManifestBytes = std::size_t{1} << 20, kMaxLayerText = std::size_t{1} << 16, kMaxLayers = 64;
constexpr std::int64_t kMaxLayerBytes = std::int64_t{1} << 46;
constexpr const char* kHost = "registry.ollama.ai";

struct Layer {
  std::string kind, sha256;  // kind: what follows "application/vnd.ollama.image."
  std::int64_t bytes = 0;
};

/// The layers of a manifest; a text that says what is wrong with it otherwise.
std::string read_layers(const std::string& text, std::vector<Layer>& out) {
  const auto manifest = parse_bounded(text);
  if (!manifest || !manifest->is_object()) return "its manifest is no JSON object";
  const auto layers = manifest->find("layers");
  if (layers == manifest->end() || !layers->is_array()) return "its manifest has no layers";
  if (layers->size() > kMaxLayers) return "its manifest has more than 64 layers";
  for (const Json& item : *layers) {
    const std::string type = text_in(item, "mediaType"), digest = text_in(item, "digest");
    const std::string prefix = "application/vnd.ollama.image.";
    Layer layer{.kind = type.starts_with(prefix) ? type.substr(prefix.size()) : type};
    if (!digest.starts_with("sha256:") || !is_sha256(digest.substr(7))) return "a layer has an impossible digest";
    layer.sha256 = digest.substr(7);
    layer.bytes = integer_in(item, "size", kMaxLayerBytes);
    if (layer.bytes < 0) return "a layer has an impossible size";
    out.push_back(std::move(layer));
  }
  return {};
}

std::string first_line(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return {};
  return text.substr(begin, std::min<std::size_t>(text.find_first_of("\r\n", begin) - begin, 80));
}

void read_model(const std::string& root, const std::string& manifest, FileLayer& files, FoundModel& model) {
  std::vector<Layer> layers;
  model.problem = read_layers(small_text(root, manifest, kMaxManifestBytes, files), layers);
  if (!model.problem.empty()) return;
  int weights = 0;
  for (const Layer& layer : layers) {
    const std::string blob = root + "/blobs/sha256-" + layer.sha256;
    if (layer.kind == "model") {
      ++weights;
      model.files.front().path = blob;
      model.files.front().bytes = layer.bytes;
      model.files.front().sha256 = layer.sha256;
    } else if (layer.kind == "license") {
      if (model.licence.empty()) model.licence = first_line(small_text(root, blob, kMaxLayerText, files));
    } else if (layer.kind == "params") {
      const auto values = parse_bounded(small_text(root, blob, kMaxLayerText, files));
      if (values) model.parameters = values->dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 200);
    } else if (layer.kind == "adapter" || layer.kind == "projector") {
      model.note += (model.note.empty() ? "" : ", ") + ("its " + layer.kind + " stays behind");
    }
  }
  if (weights != 1)
    model.problem = weights == 0 ? "it has no GGUF layer" : "it has several GGUF layers";
  else
    model.problem = problem_of(root, model.files.front().path, model.files.front().bytes, files);
}

/// "MODEL:TAG" of its own library, "NAMESPACE/MODEL:TAG.gguf" of others.
void name_model(const std::string& host, const std::string& space, const std::string& model, const std::string& tag,
                FoundModel& out) {
  const auto name = parse_hub_name(space + "/" + model + ":" + tag + ".gguf");
  out.files.resize(1);
  out.name = model + ":" + tag;
  if (!name || tag.find('/') != std::string::npos) {
    out.problem = "its name is not possible here";
    return;
  }
  const bool is_library = host == kHost && space == "library";
  if (!is_library) out.name = name->text();
  out.files.front().target = is_library ? out.name + ".gguf" : name->directory() + "/" + name->file;
}

}  // namespace

void find_ollama(const std::string& root, FileLayer& files, std::vector<FoundModel>& out) {
  const std::string top = root + "/manifests";
  for (const std::string& host : directories_in(top))
    for (const std::string& space : directories_in(top + "/" + host))
      for (const std::string& model : directories_in(top + "/" + host + "/" + space)) {
        const std::string place = top + "/" + host + "/" + space + "/" + model;
        for (const std::string& tag : files_in(place)) {
          FoundModel found{.origin = "ollama"};
          name_model(host, space, model, tag, found);
          if (found.problem.empty()) read_model(root, place + "/" + tag, files, found);
          out.push_back(std::move(found));
        }
      }
}

}  // namespace heed
