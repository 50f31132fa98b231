// inspect.cc -- `heed inspect`: what stands in a model file.
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/command.h"
#include "apps/json_text.h"
#include "apps/model_path.h"
#include "apps/progress.h"
#include "formats/model_file.h"

namespace heed {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kShownItems = 8;
constexpr std::size_t kShownBytes = 120;

struct InspectOptions {
  std::string file;
  bool json = false, tensors = false;
};

template <class Items>
Json short_array(const Items& items) {
  Json out = Json::array();
  for (std::size_t i = 0; i < std::min(items.size(), kShownItems); ++i) out.push_back(items[i]);
  return out;
}

struct ToJson {
  Json operator()(const MetaArray& array) const {
    return std::visit([](const auto& items) { return Json{{"length", items.size()}, {"first", short_array(items)}}; },
                      array);
  }
  template <class T>
  Json operator()(const T& value) const {
    return value;
  }
};

struct ToText {
  std::string operator()(const MetaArray& array) const {
    return std::visit(
        [](const auto& items) {
          const std::string shown = dump(short_array(items));
          const std::string rest = items.size() > kShownItems ? ", ...]" : "]";
          return shown.substr(0, shown.size() - 1) + rest + " (" + std::to_string(items.size()) + ")";
        },
        array);
  }
  std::string operator()(const std::string& text) const {
    if (text.size() <= kShownBytes) return dump(text);
    return dump(text.substr(0, kShownBytes)) + "... (" + std::to_string(text.size()) + " bytes)";
  }
  template <class T>
  std::string operator()(const T& value) const {
    return dump(value);
  }
};

struct TypeTotal {
  std::size_t tensors = 0;
  std::int64_t bytes = 0;
};

std::map<std::string, TypeTotal> totals(const ModelFile& file) {
  std::map<std::string, TypeTotal> out;
  for (const NamedTensor& named : file.tensors()) {
    TypeTotal& total = out[std::string(info(named.tensor.dtype).name)];
    ++total.tensors;
    total.bytes += named.tensor.bytes();
  }
  return out;
}

std::vector<std::int64_t> shape_of(const Tensor& tensor) {
  return {tensor.shape.begin(), tensor.shape.begin() + tensor.rank};
}

std::int64_t parameters(const ModelFile& file) {
  std::int64_t total = 0;
  for (const NamedTensor& named : file.tensors()) total += named.tensor.rows() * named.tensor.cols();
  return total;
}

void print_json(const std::string& path, const ModelFile& file, bool with_tensors) {
  Json out = {{"path", path},
              {"format", file.format()},
              {"version", file.version()},
              {"bytes", file.file_bytes()},
              {"parameters", parameters(file)}};
  for (const auto& [key, value] : file.metadata().all()) out["metadata"][key] = std::visit(ToJson(), value);
  for (const auto& [type, total] : totals(file))
    out["types"][type] = {{"tensors", total.tensors}, {"bytes", total.bytes}};
  out["tensor_count"] = file.tensors().size();
  for (std::size_t i = 0; with_tensors && i < file.tensors().size(); ++i) {
    const NamedTensor& named = file.tensors()[i];
    out["tensors"].push_back({{"name", named.name},
                              {"type", info(named.tensor.dtype).name},
                              {"shape", shape_of(named.tensor)},
                              {"bytes", named.tensor.bytes()}});
  }
  std::printf("%s\n", dump(out, 2).c_str());
}

void print_tensors(const ModelFile& file) {
  for (const NamedTensor& named : file.tensors())
    std::printf("  %-48s  %-5s  %-16s  %s\n", named.name.c_str(), std::string(info(named.tensor.dtype).name).c_str(),
                dump(shape_of(named.tensor)).c_str(), human_bytes(named.tensor.bytes()).c_str());
}

std::string format_of(const ModelFile& file) {
  return file.format() + (file.version() > 0 ? " version " + std::to_string(file.version()) : "");
}

void print_text(const std::string& path, const ModelFile& file, bool with_tensors) {
  std::printf("%s\n%s, %s, %zu tensors, %.1f M parameters\n\nmetadata\n", path.c_str(), format_of(file).c_str(),
              human_bytes(static_cast<std::int64_t>(file.file_bytes())).c_str(), file.tensors().size(),
              static_cast<double>(parameters(file)) / 1e6);
  for (const auto& [key, value] : file.metadata().all())
    std::printf("  %-40s  %s\n", key.c_str(), std::visit(ToText(), value).c_str());
  std::printf("\ntensors by type\n");
  for (const auto& [type, total] : totals(file))
    std::printf("  %-5s  %5zu  %10s\n", type.c_str(), total.tensors, human_bytes(total.bytes).c_str());
  if (!with_tensors) return;
  std::printf("\ntensors (outermost dimension first)\n");
  print_tensors(file);
}

Expected<void> run_inspect(const InspectOptions& options) {
  HEED_ASSIGN(const std::string path, model_path(options.file));
  HEED_ASSIGN(const auto opened, open_model_file(path));
  const ModelFile& file = *opened;
  if (options.json) {
    print_json(path, file, options.tensors);
  } else {
    print_text(path, file, options.tensors);
  }
  return {};
}

}  // namespace

void add_inspect(CLI::App& app, Command& command) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App* sub = app.add_subcommand("inspect", "Show a model file's metadata and tensors");
  sub->add_option("file", options->file, "A model file, a model's directory, or a name of `heed models`")->required();
  sub->add_flag("--tensors", options->tensors, "List every tensor");
  sub->add_flag("--json", options->json, "Print one JSON object");
  sub->footer("Examples:\n  heed inspect default\n  heed inspect model.gguf --tensors --json");
  sub->callback([options, &command] { command.run = [options] { return run_inspect(*options); }; });
}

}  // namespace heed
