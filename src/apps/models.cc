// models.cc -- `heed models`: what the catalogue offers, what is on this machine, and what it takes on disk.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/command.h"
#include "apps/interrupt.h"
#include "apps/json_text.h"
#include "apps/model_path.h"
#include "apps/progress.h"
#include "core/file_cache.h"

namespace heed {
namespace {

using Json = nlohmann::ordered_json;

struct Row {
  std::string name, state, licence, about, path, shared_with;
  std::int64_t bytes = 0, pack_bytes = 0;  // 0: not packed yet
  std::uint64_t inode = 0;
  bool is_default = false, is_here = false;
};

struct ModelsOptions {
  bool as_json = false, prunes = false, verifies = false;
  std::int64_t kept_bytes = 0;
  std::string verified;  // a name; empty: all
};

/// Bytes of the pack of the model file at `path`, as far as an earlier start has noted it.
std::int64_t pack_bytes_of(const std::string& path, const FileCache& packs,
                           const std::vector<FileCache::Entry>& entries) {
  const auto file = system_files().identity(path);
  const auto name = file ? packs.noted(*file) : std::nullopt;
  const auto found =
      std::find_if(entries.begin(), entries.end(), [&](const auto& entry) { return entry.name == name; });
  return found == entries.end() ? 0 : found->bytes;
}

std::vector<Row> rows_of(const Store& store, const std::vector<StoredModel>& here) {
  std::vector<Row> rows;
  for (const CatalogEntry& entry : store.catalog()) {
    const auto found = std::find_if(here.begin(), here.end(), [&](const auto& m) { return m.name == entry.name; });
    Row row{.name = entry.name,
            .licence = entry.licence,
            .about = (entry.is_default ? "(default) " : "") + entry.summary,
            .bytes = entry.size_bytes,
            .is_default = entry.is_default,
            .is_here = found != here.end()};
    if (row.is_here) row.path = found->path;
    rows.push_back(std::move(row));
  }
  for (const StoredModel& model : here) {
    if (model.in_catalog) continue;
    const bool is_own = model.name.find('/') == std::string::npos;
    rows.push_back({.name = model.name,
                    .about = is_own ? "your own file" : "from a hub",
                    .path = model.path,
                    .bytes = model.bytes,
                    .is_here = true});
  }
  return rows;
}

Expected<void> add_disk(std::vector<Row>& rows) {
  const FileCache packs(pack_directory(), 0);
  HEED_ASSIGN(const std::vector<FileCache::Entry> entries, packs.list());
  for (Row& row : rows) {
    row.state = row.is_here ? "here" : "-";
    if (!row.is_here) continue;
    row.pack_bytes = pack_bytes_of(row.path, packs, entries);
    const auto file = system_files().identity(row.path);
    row.inode = file ? file->inode : 0;
    const auto twin = std::find_if(rows.begin(), rows.end(),
                                   [&](const Row& other) { return &other < &row && other.inode == row.inode; });
    if (twin == rows.end() || row.inode == 0) continue;
    row.shared_with = twin->name;
    row.state = "same";
    row.about = "the same bytes as " + twin->name + ", kept once";
  }
  return {};
}

std::int64_t total_pack_bytes() {
  std::int64_t bytes = 0;
  const auto entries = FileCache(pack_directory(), 0).list();
  for (std::size_t i = 0; entries && i < entries->size(); ++i) bytes += (*entries)[i].bytes;
  return bytes;
}

void print_json(const std::vector<Row>& rows, const DiskUse& use) {
  Json list = Json::array();
  for (const Row& row : rows) {
    Json item = {{"name", row.name}, {"bytes", row.bytes}, {"installed", row.is_here}, {"default", row.is_default}};
    item["pack_bytes"] = row.pack_bytes;
    item["licence"] = row.licence;
    item["path"] = row.is_here ? Json(row.path) : Json(nullptr);
    if (!row.shared_with.empty()) item["shared_with"] = row.shared_with;
    list.push_back(std::move(item));
  }
  const Json disk = {{"models_bytes", use.models_bytes}, {"shared_bytes", use.shared_bytes},
                     {"unused_bytes", use.unused_bytes}, {"partial_bytes", use.partial_bytes},
                     {"pack_bytes", total_pack_bytes()}, {"free_bytes", use.free_bytes}};
  std::printf("%s\n", dump({{"models", list}, {"disk", disk}}, 2).c_str());
}

void print_table(const std::vector<Row>& rows, const DiskUse& use) {
  std::size_t width = 4;
  for (const Row& row : rows) width = std::max(width, row.name.size());
  std::printf("%-*s  %-5s  %9s  %9s  %-10s  %s\n", static_cast<int>(width), "NAME", "STATE", "SIZE", "PACK", "LICENCE",
              "ABOUT");
  for (const Row& row : rows)
    std::printf("%-*s  %-5s  %9s  %9s  %-10s  %s\n", static_cast<int>(width), row.name.c_str(), row.state.c_str(),
                human_bytes(row.bytes).c_str(), row.pack_bytes > 0 ? human_bytes(row.pack_bytes).c_str() : "-",
                row.licence.empty() ? "-" : row.licence.c_str(), row.about.c_str());
  std::printf("\non disk: %s of models", human_bytes(use.models_bytes).c_str());
  if (use.shared_bytes > 0) std::printf(" (%s more are shared)", human_bytes(use.shared_bytes).c_str());
  std::printf(", %s of packed weights", human_bytes(total_pack_bytes()).c_str());
  const std::int64_t leftover = use.unused_bytes + use.partial_bytes;
  if (leftover > 0) std::printf(", %s of stopped downloads (`heed rm --unused`)", human_bytes(leftover).c_str());
  std::printf("; %s free\n", human_bytes(use.free_bytes).c_str());
}

Expected<void> prune_packs(const ModelsOptions& options) {
  FileCache packs(pack_directory(), 0);
  HEED_ASSIGN(const std::int64_t freed, packs.prune(options.kept_bytes));
  if (options.as_json)
    std::printf("{\"freed_bytes\": %lld}\n", static_cast<long long>(freed));
  else
    std::printf("%s of packed weights removed from %s\n", human_bytes(freed).c_str(), pack_directory().c_str());
  return {};
}

/// Reads whole files again. Every model gets a line; one that is wrong makes the command fail.
Expected<void> verify_models(const ModelsOptions& options) {
  HEED_ASSIGN(const Store store, open_store());
  std::vector<StoredModel> models;
  if (options.verified.empty()) {
    HEED_ASSIGN(models, store.list());
  } else {
    HEED_ASSIGN(StoredModel model, store.lookup(options.verified));
    models.push_back(std::move(model));
  }
  Json list = Json::array();
  std::size_t wrong = 0;
  const InterruptFlag flag;
  for (const StoredModel& model : models) {
    ProgressBar bar(model.name);
    const auto verified = store.verify(model.name, [&](const Store::Progress& p) {
      bar.show(p.what, p.done, p.total);
      return !InterruptFlag::is_set();
    });
    if (!verified && verified.error().code == Code::cancelled) return verified.error();
    const std::string state = !verified ? verified.error().text : *verified ? "ok" : "no hash is known";
    wrong += verified ? 0 : 1;
    bar.clear();
    if (!options.as_json) std::printf("%s: %s\n", model.name.c_str(), state.c_str());
    list.push_back(
        {{"name", model.name}, {"ok", verified ? Json(*verified ? Json(true) : Json(nullptr)) : Json(false)}});
  }
  if (options.as_json) std::printf("%s\n", dump({{"models", list}}, 2).c_str());
  if (wrong == 0) return {};
  return fail(Code::malformed, "verify: " + std::to_string(wrong) + " of " + std::to_string(models.size()) +
                                   " models are not what they were: remove and pull them again");
}

Expected<void> run_models(const ModelsOptions& options) {
  if (options.prunes) return prune_packs(options);
  if (options.verifies) return verify_models(options);
  HEED_ASSIGN(const Store store, open_store());
  HEED_ASSIGN(const std::vector<StoredModel> here, store.list());
  std::vector<Row> rows = rows_of(store, here);
  HEED_TRY(add_disk(rows));
  HEED_ASSIGN(const DiskUse use, store.disk_use());
  options.as_json ? print_json(rows, use) : print_table(rows, use);
  return {};
}

}  // namespace

void add_models(CLI::App& app, Command& command) {
  auto o = std::make_shared<ModelsOptions>();
  CLI::App* sub =
      app.add_subcommand("models", "List the models of the catalogue and of this machine, and their disk use");
  sub->add_flag("--json", o->as_json, "Print one JSON object");
  const CLI::Option* verify =
      sub->add_option("--verify", o->verified, "Read the files again and compare their hashes (default: all models)")
          ->expected(0, 1);
  const CLI::Option* prune =
      sub->add_option("--prune", o->kept_bytes,
                      "Remove packed weights, the least recently used first, until BYTES are left (default: 0)")
          ->expected(0, 1)
          ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 50));
  sub->footer("Examples:\n  heed models\n  heed models --verify smollm2-135m-instruct\n  heed models --prune");
  sub->callback([o, prune, verify, &command] {
    o->prunes = prune->count() > 0;
    o->verifies = verify->count() > 0;
    command.run = [o] { return run_models(*o); };
  });
}

}  // namespace heed
