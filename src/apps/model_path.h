// model_path.h -- where a model named on the command line lies, and where its packed weights are kept.
#pragma once
#include <CLI/CLI.hpp>
#include <string>

#include "core/expected.h"
#include "engine/loaded_model.h"
#include "store/store.h"

namespace heed {

/// The store under $HEED_HOME with the built-in catalogue (HEED_CATALOG replaces it).
Expected<Store> open_store();
/// A path as it is, or a name's file; "default" is the catalogue's default model. With HEED_VERIFY set, the file is
/// read first and its hash compared with what it was when it came.
Expected<std::string> model_path(const std::string& name_or_path);

/// `--verify` of a command that loads a model: as HEED_VERIFY=1.
void add_verify_option(CLI::App& app);

/// $HEED_HOME/packs.
std::string pack_directory();
/// Packed weights are kept there, and warnings go to stderr.
void use_pack_cache(LoadOptions& options);

}  // namespace heed
