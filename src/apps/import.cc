// import.cc -- `heed import`: shares the models that other programs on this machine have.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/command.h"
#include "apps/interrupt.h"
#include "apps/json_text.h"
#include "apps/model_path.h"
#include "apps/progress.h"
#include "store/import.h"

namespace heed {
namespace {

using Json = nlohmann::ordered_json;

struct ImportOptions {
  std::vector<std::string> names;
  bool all = false, json = false;
  ImportPlaces places = usual_import_places();
};

bool is_here(const Store& store, const FoundModel& model) {
  return model.problem.empty() && std::all_of(model.files.begin(), model.files.end(), [&](const FoundFile& file) {
           const auto size = system_files().size(store.models_directory() + "/" + file.target);
           return size && *size == file.bytes;
         });
}

std::string about(const FoundModel& model) {
  std::string out = model.problem.empty() ? "" : "cannot: " + model.problem;
  for (const std::string& text : {model.note, model.licence, model.parameters})
    if (!text.empty()) out += (out.empty() ? "" : "; ") + text;
  return out.empty() ? "-" : out;
}

void show(const Store& store, const std::vector<FoundModel>& found, const ImportOptions& options) {
  if (options.json) {
    Json list = Json::array();
    for (const FoundModel& model : found)
      list.push_back({{"name", model.name},
                      {"origin", model.origin},
                      {"bytes", model.bytes()},
                      {"installed", is_here(store, model)},
                      {"licence", model.licence},
                      {"parameters", model.parameters},
                      {"note", model.note},
                      {"problem", model.problem}});
    std::printf("%s\n", dump({{"models", list}}, 2).c_str());
    return;
  }
  if (found.empty())
    std::printf("nothing in %s, %s or %s\n", options.places.ollama.c_str(), options.places.llama_cpp.c_str(),
                options.places.hub_cache.c_str());
  std::size_t width = 4;
  for (const FoundModel& model : found) width = std::max(width, model.name.size());
  if (!found.empty())
    std::printf("%-*s  %-9s  %-5s  %9s  %s\n", static_cast<int>(width), "NAME", "FROM", "STATE", "SIZE", "ABOUT");
  for (const FoundModel& model : found)
    std::printf("%-*s  %-9s  %-5s  %9s  %s\n", static_cast<int>(width), model.name.c_str(), model.origin.c_str(),
                is_here(store, model) ? "here" : "-", human_bytes(model.bytes()).c_str(), about(model).c_str());
}

Expected<void> import_one(Store& store, const FoundModel& model) {
  if (!model.problem.empty()) return fail(Code::malformed, "import: " + model.name + ": " + model.problem);
  ProgressBar bar(model.name);
  const auto progress = [&](const Store::Progress& p) {
    bar.show(p.what, p.done, p.total);
    return !InterruptFlag::is_set();
  };
  for (auto file = model.files.rbegin(); file != model.files.rend(); ++file) {  // the first part makes it whole
    CatalogEntry entry{.name = model.name, .file = file->target, .size_bytes = file->bytes, .sha256 = file->sha256};
    HEED_ASSIGN(const std::string path, store.adopt(file->path, std::move(entry), progress));
    const auto ours = system_files().identity(path), theirs = system_files().identity(file->path);
    bar.clear();
    const bool is_linked = ours && theirs && ours->inode == theirs->inode && ours->device == theirs->device;
    std::printf("%s: %s, %s\n%s\n", model.name.c_str(), human_bytes(file->bytes).c_str(),
                is_linked ? "shared" : "copied", path.c_str());
  }
  return {};
}

Expected<void> run_import(const ImportOptions& options) {
  HEED_ASSIGN(Store store, open_store());
  const std::vector<FoundModel> found = find_models(options.places, system_files());
  if (options.names.empty() && !options.all) {
    show(store, found, options);
    return {};
  }
  const InterruptFlag flag;
  std::size_t failed = 0;
  for (const FoundModel& model : found) {
    if (!options.all || is_here(store, model)) continue;
    const auto done = import_one(store, model);
    if (!done && done.error().code == Code::cancelled) return done;
    if (!done) std::fprintf(stderr, "heed: %s\n", done.error().text.c_str());
    failed += done ? 0 : 1;
  }
  for (const std::string& name : options.names) {
    const auto model = std::find_if(found.begin(), found.end(), [&](const auto& m) { return m.name == name; });
    if (model == found.end())
      return fail(Code::not_found, "import: no model '" + name + "' of another program: `heed import` lists them");
    HEED_TRY(import_one(store, *model));
  }
  if (failed == 0) return {};
  return fail(Code::malformed, "import: " + std::to_string(failed) + " models could not be had");
}

}  // namespace

void add_import(CLI::App& app, Command& command) {
  auto options = std::make_shared<ImportOptions>();
  CLI::App* sub = app.add_subcommand("import", "Share the models that Ollama, llama.cpp and the hub's cache hold");
  sub->add_option("name", options->names, "Names of that list (none: show it)");
  sub->add_flag("--all", options->all, "Every one that is not here yet");
  sub->add_flag("--json", options->json, "Print one JSON object");
  sub->add_option("--ollama", options->places.ollama, "Ollama's store (OLLAMA_MODELS)")->capture_default_str();
  sub->add_option("--llama-cpp", options->places.llama_cpp, "llama.cpp's cache (LLAMA_CACHE)")->capture_default_str();
  sub->add_option("--hub-cache", options->places.hub_cache, "the hub's cache (HF_HUB_CACHE)")->capture_default_str();
  sub->footer(
      "Files are linked where the file system allows it, else copied; their hashes are checked.\n"
      "Examples:\n  heed import\n  heed import llama3.2:1b\n  heed import --all");
  sub->callback([options, &command] { command.run = [options] { return run_import(*options); }; });
}

}  // namespace heed
