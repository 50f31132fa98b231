// models.cc -- `heed models`: what the catalogue offers and what is on this machine.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/command.h"
#include "apps/model_path.h"
#include "apps/progress.h"

namespace heed {
namespace {

struct Row {
  std::string name, state, size, licence, about, path;
  std::int64_t bytes = 0;
  bool is_default = false, is_here = false;
};

std::vector<Row> rows_of(const Store& store, const std::vector<StoredModel>& here) {
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
    if (row.is_default) row.about = "(default) " + row.about;
  }
  return rows;
}

void print_json(const std::vector<Row>& rows) {
  auto list = nlohmann::ordered_json::array();
  for (const Row& row : rows) {
    nlohmann::ordered_json item = {
        {"name", row.name}, {"bytes", row.bytes}, {"installed", row.is_here}, {"default", row.is_default}};
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
  std::printf("%-*s  %-5s  %9s  %-10s  %s\n", static_cast<int>(width), "NAME", "STATE", "SIZE", "LICENCE", "ABOUT");
  for (const Row& row : rows)
    std::printf("%-*s  %-5s  %9s  %-10s  %s\n", static_cast<int>(width), row.name.c_str(), row.state.c_str(),
                row.size.c_str(), row.licence.c_str(), row.about.c_str());
}

Expected<void> run_models(bool as_json) {
  HEED_ASSIGN(const Store store, open_store());
  HEED_ASSIGN(const std::vector<StoredModel> here, store.list());
  const std::vector<Row> rows = rows_of(store, here);
  if (as_json) {
    print_json(rows);
  } else {
    print_table(rows);
  }
  return {};
}

}  // namespace

void add_models(CLI::App& app, Command& command) {
  auto as_json = std::make_shared<bool>(false);
  CLI::App* sub = app.add_subcommand("models", "List the models of the catalogue and of this machine");
  sub->add_flag("--json", *as_json, "Print one JSON object");
  sub->footer("Example:\n  heed models");
  sub->callback([as_json, &command] { command.run = [as_json] { return run_models(*as_json); }; });
}

}  // namespace heed
