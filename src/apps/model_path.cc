// model_path.cc -- the store as the commands see it.
#include "apps/model_path.h"

#include <cstdio>
#include <cstdlib>

#include "apps/command.h"

namespace heed {

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
  if (name_or_path != "default") return store.resolve(name_or_path);
  for (const CatalogEntry& entry : store.catalog())
    if (entry.is_default) return store.resolve(entry.name);
  return fail(Code::not_found, "model: the catalogue has no default model: name one", "model");
}

std::string pack_directory() { return home_directory() + "/packs"; }

void use_pack_cache(LoadOptions& options) {
  options.pack_directory = pack_directory();
  options.warn = [](const std::string& text) { std::fprintf(stderr, "heed: warning: %s\n", text.c_str()); };
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
