// command.h -- what a subcommand adds to the program: its options, and what runs once they are parsed.
#pragma once
#include <CLI/CLI.hpp>
#include <functional>

#include "core/expected.h"
#include "engine/loaded_model.h"

namespace heed {

/// Filled by the callback of the chosen subcommand; main runs it. An error is printed as `heed: ...`, exit code 1.
struct Command {
  std::function<Expected<void>()> run;
};

/// How packed weights are kept, for the commands that load a model.
void add_pack_options(CLI::App& app, LoadOptions& options);

/// `--lora`, likewise.
void add_lora_option(CLI::App& app, LoadOptions& options);

// One per file; the name says which.
void add_pull(CLI::App& app, Command& command);
void add_models(CLI::App& app, Command& command);
void add_rm(CLI::App& app, Command& command);
void add_import(CLI::App& app, Command& command);
void add_inspect(CLI::App& app, Command& command);
void add_convert(CLI::App& app, Command& command);
void add_tokenize(CLI::App& app, Command& command);
void add_chat(CLI::App& app, Command& command);
void add_embed(CLI::App& app, Command& command);
void add_serve(CLI::App& app, Command& command);
void add_bench(CLI::App& app, Command& command);

}  // namespace heed
