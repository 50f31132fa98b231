// pull.cc -- `heed pull`: gets a model. Ctrl-C keeps what came.
#include <csignal>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/command.h"
#include "apps/model_path.h"
#include "apps/progress.h"

namespace heed {
namespace {

struct PullOptions {
  std::string name = "default";
  bool verify = false, json = false;
};

volatile std::sig_atomic_t interrupted = 0;

void on_interrupt(int) { interrupted = 1; }

/// Ctrl-C sets a flag while this lives.
class InterruptFlag {
 public:
  InterruptFlag() {
    struct sigaction action{};
    action.sa_handler = on_interrupt;
    ::sigaction(SIGINT, &action, &before_interrupt_);
    ::sigaction(SIGTERM, &action, &before_terminate_);
  }
  ~InterruptFlag() {
    ::sigaction(SIGINT, &before_interrupt_, nullptr);
    ::sigaction(SIGTERM, &before_terminate_, nullptr);
  }
  InterruptFlag(const InterruptFlag&) = delete;
  InterruptFlag& operator=(const InterruptFlag&) = delete;

 private:
  struct sigaction before_interrupt_{}, before_terminate_{};
};

Expected<std::string> pull(Store& store, const PullOptions& options) {
  ProgressBar bar(options.name);
  std::int64_t done = 0;
  const auto progress = [&](const Store::Progress& p) {
    done = p.done;
    bar.show(p.what, p.done, p.total);
    return interrupted == 0;
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

Expected<void> run_pull(const PullOptions& options) {
  HEED_ASSIGN(Store store, open_store());
  HEED_ASSIGN(const std::string path, pull(store, options));
  for (const CatalogEntry& entry : store.catalog()) {
    if (!path.ends_with("/" + entry.file)) continue;
    if (options.json) {
      const nlohmann::ordered_json line = {{"name", entry.name},        {"path", path},
                                           {"bytes", entry.size_bytes}, {"sha256", entry.sha256},
                                           {"licence", entry.licence},  {"licence_url", entry.licence_url}};
      std::printf("%s\n", line.dump().c_str());
    } else {
      std::printf("%s: %s, licence %s (%s)\n%s\n", entry.name.c_str(), human_bytes(entry.size_bytes).c_str(),
                  entry.licence.c_str(), entry.licence_url.c_str(), path.c_str());
    }
  }
  return {};
}

}  // namespace

void add_pull(CLI::App& app, Command& command) {
  auto options = std::make_shared<PullOptions>();
  CLI::App* sub = app.add_subcommand("pull", "Get a model of the catalogue: resumable, checked by its SHA-256");
  sub->add_option("name", options->name, "A name of `heed models`")->capture_default_str();
  sub->add_flag("--verify", options->verify, "Read a file that is here already and check its hash");
  sub->add_flag("--json", options->json, "Print one JSON object");
  sub->footer("Examples:\n  heed pull\n  heed pull smollm2-135m-instruct\n  heed pull default --verify");
  sub->callback([options, &command] { command.run = [options] { return run_pull(*options); }; });
}

}  // namespace heed
