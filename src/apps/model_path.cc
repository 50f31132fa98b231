// model_path.cc -- the store as the commands see it.
#include "apps/model_path.h"

#include <cstdio>
#include <cstdlib>

#include "apps/command.h"
#include "apps/progress.h"

namespace heed {
namespace {

bool is_switched_on(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' && std::string(value) != "0" && std::string(value) != "false";
}

}  // namespace

Expected<Store> open_store() {
  std::string text = builtin_catalog();
  if (const char* path = std::getenv("HEED_CATALOG")) {
    HEED_ASSIGN(const auto bytes, system_files().read(path, std::size_t{1} << 20));
    text.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  HEED_ASSIGN(auto catalog, read_catalog(text));
  return Store(home_directory(), std::move(catalog));
}

Expected<std::string> model_path(const std::string& name_or_path) {
  HEED_ASSIGN(const Store store, open_store());
  HEED_ASSIGN(std::string path, store.resolve(name_or_path));
  if (!is_switched_on("HEED_VERIFY")) return path;
  ProgressBar bar(name_or_path);
  HEED_ASSIGN(const bool is_known, store.verify_file(path, [&](const Store::Progress& p) {
    bar.show(p.what, p.done, p.total);
    return true;
  }));
  bar.clear();
  if (!is_known)
    std::fprintf(stderr, "heed: warning: %s: not verified: no hash of it is known\n", name_or_path.c_str());
  return path;
}

void add_verify_option(CLI::App& app) {
  app.add_flag_callback(
      "--verify", [] { ::setenv("HEED_VERIFY", "1", 1); },
      "read the model's file first and check its hash (HEED_VERIFY=1)");
}

std::string pack_directory() { return home_directory() + "/packs"; }

void use_pack_cache(LoadOptions& options) {
  options.pack_directory = pack_directory();
  options.warn = [](const std::string& text) { std::fprintf(stderr, "heed: warning: %s\n", text.c_str()); };
}

void add_lora_option(CLI::App& app, LoadOptions& options) {
  app.add_option("--lora", options.lora,
                 "FILE or FILE:SCALE: a LoRA adapter (GGUF) merged into the weights, repeatable; packed at every start")
      ->allow_extra_args(false);
}

void add_pack_options(CLI::App& app, LoadOptions& options) {
  use_pack_cache(options);
  const auto forget = [&options](std::int64_t) { options.pack_directory.clear(); };
  app.add_flag_function("--no-pack-cache", forget, "pack the weights in memory; read and keep no pack");
  app.add_option("--pack-cache-bytes", options.pack_cache_bytes, "disk for packed weights; 0: none (default: 20 GiB)")
      ->envname("HEED_PACK_CACHE_BYTES")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 50));
}

}  // namespace heed
