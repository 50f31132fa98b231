// models.cc -- `heed models`: what the catalogue offers, what is on this machine, and what its packed weights take.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/command.h"
#include "apps/model_path.h"
#include "apps/progress.h"
#include "core/file_cache.h"

namespace heed {
namespace {

struct Row {
  std::string name, state, size, pack, licence, about, path;
  std::int64_t bytes = 0, pack_bytes = 0;  // 0: not packed yet
  bool is_default = false, is_here = false;
};

struct ModelsOptions {
  bool as_json = false, prunes = false;
  std::int64_t kept_bytes = 0;
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

Expected<std::vector<Row>> rows_of(const Store& store, const std::vector<StoredModel>& here) {
  const FileCache packs(pack_directory(), 0);
  HEED_ASSIGN(const std::vector<FileCache::Entry> entries, packs.list());
  std::vector<Row> rows;
  for (const CatalogEntry& entry : store.catalog()) {
    const auto found = std::find_if(here.begin(), here.end(), [&](const auto& m) { return m.name == entry.name; });
    Row row{.name = entry.name,
            .licence = entry.licence,
            .about = entry.summary,
            .bytes = entry.size_bytes,
            .is_default = entry.is_default,
            .is_here = found != here.end()};
    if (row.is_here) row.path = found->path;
    rows.push_back(std::move(row));
  }
  for (const StoredModel& model : here) {
    if (!model.in_catalog)
      rows.push_back(
          {.name = model.name, .about = "your own file", .path = model.path, .bytes = model.bytes, .is_here = true});
  }
  for (Row& row : rows) {
    row.state = row.is_here ? "here" : "-";
    row.size = human_bytes(row.bytes);
    if (row.is_here) row.pack_bytes = pack_bytes_of(row.path, packs, entries);
    row.pack = row.pack_bytes > 0 ? human_bytes(row.pack_bytes) : "-";
    if (row.is_default) row.about = "(default) " + row.about;
  }
  return rows;
}

void print_json(const std::vector<Row>& rows) {
  auto list = nlohmann::ordered_json::array();
  for (const Row& row : rows) {
    nlohmann::ordered_json item = {
        {"name", row.name}, {"bytes", row.bytes}, {"installed", row.is_here}, {"default", row.is_default}};
    item["pack_bytes"] = row.pack_bytes;
    item["licence"] = row.licence;
    item["path"] = row.is_here ? nlohmann::ordered_json(row.path) : nlohmann::ordered_json(nullptr);
    list.push_back(std::move(item));
  }
  std::printf("%s\n", nlohmann::ordered_json{{"models", list}}
                          .dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace)
                          .c_str());
}

void print_table(const std::vector<Row>& rows) {
  std::size_t width = 4;
  for (const Row& row : rows) width = std::max(width, row.name.size());
  std::printf("%-*s  %-5s  %9s  %9s  %-10s  %s\n", static_cast<int>(width), "NAME", "STATE", "SIZE", "PACK", "LICENCE",
              "ABOUT");
  for (const Row& row : rows)
    std::printf("%-*s  %-5s  %9s  %9s  %-10s  %s\n", static_cast<int>(width), row.name.c_str(), row.state.c_str(),
                row.size.c_str(), row.pack.c_str(), row.licence.c_str(), row.about.c_str());
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

Expected<void> run_models(const ModelsOptions& options) {
  if (options.prunes) return prune_packs(options);
  HEED_ASSIGN(const Store store, open_store());
  HEED_ASSIGN(const std::vector<StoredModel> here, store.list());
  HEED_ASSIGN(const std::vector<Row> rows, rows_of(store, here));
  if (options.as_json) {
    print_json(rows);
  } else {
    print_table(rows);
  }
  return {};
}

}  // namespace

void add_models(CLI::App& app, Command& command) {
  auto o = std::make_shared<ModelsOptions>();
  CLI::App* sub = app.add_subcommand("models", "List the models of the catalogue and of this machine");
  sub->add_flag("--json", o->as_json, "Print one JSON object");
  const CLI::Option* prune =
      sub->add_option("--prune", o->kept_bytes,
                      "Remove packed weights, the least recently used first, until BYTES are left (default: 0)")
          ->expected(0, 1)
          ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 50));
  sub->footer("Examples:\n  heed models\n  heed models --prune");
  sub->callback([o, prune, &command] {
    o->prunes = prune->count() > 0;
    command.run = [o] { return run_models(*o); };
  });
}

}  // namespace heed
