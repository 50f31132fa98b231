// rm.cc -- `heed rm`: takes models away, with their packed weights when nothing else uses them.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/command.h"
#include "apps/model_path.h"
#include "apps/progress.h"
#include "core/digest.h"
#include "core/file_cache.h"

namespace heed {
namespace {

struct RemoveOptions {
  std::vector<std::string> names;
  bool yes = false, unused = false, json = false;
};

/// The pack of the file at `path`: noted when it was loaded, or found by what the file holds.
std::string pack_of(const std::string& path) {
  const FileCache packs(pack_directory(), 0);
  const auto entries = packs.list();
  if (!entries || entries->empty()) return {};
  const auto identity = system_files().identity(path);
  if (const auto name = identity ? packs.noted(*identity) : std::nullopt) return *name;
  const auto file = system_files().map(path);
  if (!file) return {};
  ThreadPool pool(0);
  const auto digest = tree_sha256(*file, pool);
  for (std::size_t i = 0; digest && i < entries->size(); ++i)
    if ((*entries)[i].name.find(*digest) != std::string::npos) return (*entries)[i].name;
  return {};
}

bool is_shared(const Store& store, const StoredModel& model) {
  const auto ours = system_files().identity(model.path);
  const auto list = store.list();
  return !list || std::any_of(list->begin(), list->end(), [&](const StoredModel& other) {
    const auto theirs = system_files().identity(other.path);
    return other.name != model.name && ours && theirs && ours->inode == theirs->inode;
  });
}

Expected<bool> is_agreed(const StoredModel& model, const RemoveOptions& options) {
  if (options.yes) return true;
  if (isatty(STDIN_FILENO) == 0)
    return fail(Code::invalid_argument, "rm: " + model.name + ": nobody here to ask: say --yes");
  std::fprintf(stderr, "remove %s (%s)? [y/N] ", model.name.c_str(), human_bytes(model.bytes).c_str());
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

Expected<std::int64_t> remove_one(Store& store, const std::string& name, const RemoveOptions& options) {
  const auto model = store.lookup(name);
  if (!model) return store.remove(name);  // says what there is
  HEED_ASSIGN(const bool agreed, is_agreed(*model, options));
  if (!agreed) return std::int64_t{0};
  const std::string pack = is_shared(store, *model) ? "" : pack_of(model->path);
  HEED_ASSIGN(std::int64_t freed, store.remove(model->name));
  const std::string pack_path = pack_directory() + "/" + pack;
  const auto pack_bytes = system_files().size(pack_path);
  if (!pack.empty() && system_files().remove(pack_path) && pack_bytes) freed += *pack_bytes;
  if (!options.json) std::printf("%s removed: %s set free\n", model->name.c_str(), human_bytes(freed).c_str());
  return freed;
}

Expected<void> run_remove(const RemoveOptions& options) {
  if (options.names.empty() && !options.unused)
    return fail(Code::invalid_argument, "rm: name a model of `heed models`, or say --unused");
  HEED_ASSIGN(Store store, open_store());
  std::int64_t freed = 0;
  for (const std::string& name : options.names) {
    HEED_ASSIGN(const std::int64_t bytes, remove_one(store, name, options));
    freed += bytes;
  }
  if (options.unused) {
    HEED_ASSIGN(const std::int64_t bytes, store.sweep());
    freed += bytes;
    if (!options.json) std::printf("%s of unused contents and stopped downloads removed\n", human_bytes(bytes).c_str());
  }
  if (options.json) std::printf("{\"freed_bytes\": %lld}\n", static_cast<long long>(freed));
  return {};
}

}  // namespace

void add_rm(CLI::App& app, Command& command) {
  auto options = std::make_shared<RemoveOptions>();
  CLI::App* sub = app.add_subcommand("rm", "Remove models from this machine");
  sub->add_option("name", options->names, "Names of `heed models`");
  sub->add_flag("-y,--yes", options->yes, "Do not ask");
  sub->add_flag("--unused", options->unused, "Also what killed or stopped pulls left behind");
  sub->add_flag("--json", options->json, "Print one JSON object");
  sub->footer(
      "Examples:\n  heed rm gemma-3-270m\n  heed rm --yes Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q4_K_M\n  heed rm --unused");
  sub->callback([options, &command] { command.run = [options] { return run_remove(*options); }; });
}

}  // namespace heed
