// pull.cc -- `heed pull`: gets a model. Ctrl-C keeps what came.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/command.h"
#include "apps/interrupt.h"
#include "apps/model_path.h"
#include "apps/progress.h"

namespace heed {
namespace {

using Json = nlohmann::ordered_json;

struct PullOptions {
  std::string name = "default";
  bool verify = false, json = false;
};

std::string dump(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

Expected<std::string> pull(Store& store, const PullOptions& options) {
  ProgressBar bar(options.name);
  std::int64_t done = 0;
  const auto progress = [&](const Store::Progress& p) {
    done = p.done;
    bar.show(p.what, p.done, p.total);
    return !InterruptFlag::is_set();
  };
  const InterruptFlag flag;
  auto path = store.pull(options.name, progress);
  if (path && options.verify) {
    auto verified = store.verify(options.name, progress);
    if (!verified) return std::move(verified).error();
  }
  if (path || path.error().code != Code::cancelled) return path;
  return fail(Code::cancelled, "pull: " + options.name + ": stopped: " + human_bytes(done) +
                                   " are kept: run `heed pull " + options.name + "` again to go on");
}

/// What a repository offers, when its name alone does not say which file.
Expected<void> show_choices(const Store& store, const PullOptions& options) {
  const InterruptFlag flag;
  HEED_ASSIGN(const std::vector<RemoteChoice> choices,
              store.choices(options.name, [](const Store::Progress&) { return !InterruptFlag::is_set(); }));
  if (options.json) {
    Json list = Json::array();
    for (const RemoteChoice& choice : choices)
      list.push_back(
          {{"name", choice.name}, {"type", choice.type}, {"bytes", choice.bytes}, {"installed", choice.is_here}});
    std::printf("%s\n", dump({{"choices", list}}).c_str());
    return {};
  }
  std::printf("%-10s  %9s  %-5s  %s\n", "TYPE", "SIZE", "STATE", "NAME");
  for (const RemoteChoice& choice : choices)
    std::printf("%-10s  %9s  %-5s  %s\n", choice.type.empty() ? "-" : choice.type.c_str(),
                human_bytes(choice.bytes).c_str(), choice.is_here ? "here" : "-", choice.name.c_str());
  return {};
}

Expected<void> run_pull(const PullOptions& options) {
  HEED_ASSIGN(Store store, open_store());
  auto path = pull(store, options);
  if (!path && path.error().code == Code::invalid_argument) HEED_TRY(show_choices(store, options));
  HEED_TRY(path);
  HEED_ASSIGN(const StoredModel model, store.lookup(options.name));
  const auto& catalog = store.catalog();
  const auto entry =
      std::find_if(catalog.begin(), catalog.end(), [&](const CatalogEntry& e) { return e.name == model.name; });
  Json line = {{"name", model.name}, {"path", model.path}, {"bytes", model.bytes}};
  std::string licence;
  if (entry != catalog.end()) {
    line.update({{"sha256", entry->sha256}, {"licence", entry->licence}, {"licence_url", entry->licence_url}});
    licence = ", licence " + entry->licence + " (" + entry->licence_url + ")";
  }
  if (options.json)
    std::printf("%s\n", dump(line).c_str());
  else
    std::printf("%s: %s%s\n%s\n", model.name.c_str(), human_bytes(model.bytes).c_str(), licence.c_str(),
                model.path.c_str());
  return {};
}

}  // namespace

void add_pull(CLI::App& app, Command& command) {
  auto options = std::make_shared<PullOptions>();
  CLI::App* sub = app.add_subcommand("pull", "Get a model: resumable, checked by its SHA-256");
  sub->add_option("name", options->name, "A name of `heed models`, or OWNER/REPO[@REVISION][:FILE or type] of the hub")
      ->capture_default_str();
  sub->add_flag("--verify", options->verify, "Read a file that is here already and check its hash");
  sub->add_flag("--json", options->json, "Print one JSON object");
  sub->footer(
      "Examples:\n  heed pull\n  heed pull smollm2-135m-instruct\n  heed pull default --verify\n"
      "  heed pull Qwen/Qwen2.5-0.5B-Instruct-GGUF           # lists the files to choose from\n"
      "  heed pull Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q4_K_M\n\n"
      "HEED_HUB names another hub, and mirrors after it (comma-separated); HEED_HUB_TOKEN opens private repositories; "
      "both also in hub.toml of the data directory.");
  sub->callback([options, &command] { command.run = [options] { return run_pull(*options); }; });
}

}  // namespace heed
