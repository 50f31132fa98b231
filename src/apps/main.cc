// main.cc -- the program: one row a subcommand. Exit codes: 0 ok, 1 failed, 2 usage.
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "apps/command.h"

namespace {

constexpr int kFailed = 1, kUsage = 2;

int usage_error(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
  std::fprintf(stderr, "heed: usage: %s: see `heed --help`\n", error.what());
  return kUsage;
}

int run(int argc, char** argv) {
  CLI::App app{"heed: attention you can serve, steer and show.", "heed"};
  app.set_version_flag("--version", "heed " HEED_VERSION);
  app.require_subcommand(1);
  app.fallthrough();  // --offline may stand before or after the command
  app.add_flag_callback(
      "--offline", [] { ::setenv("HEED_OFFLINE", "1", 1); }, "Never touch the network (HEED_OFFLINE=1)");
  app.footer(
      "Examples:\n  heed pull default\n  heed chat\n  heed serve --port 8080\n\n`heed COMMAND --help` shows each "
      "command's options.");
  heed::Command command;
  for (auto* add : {heed::add_serve, heed::add_chat, heed::add_embed, heed::add_pull, heed::add_models, heed::add_rm,
                    heed::add_import, heed::add_inspect, heed::add_convert, heed::add_tokenize, heed::add_bench})
    add(app, command);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return usage_error(app, error);
  }
  if (!command.run) return kUsage;
  const auto done = command.run();
  if (done) return 0;
  std::fprintf(stderr, "heed: %s\n", done.error().text.c_str());
  return kFailed;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "heed: internal error: %s: please report it\n", error.what());
    return kFailed;
  }
}
