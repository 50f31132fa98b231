// model_path.cc -- the store as the commands see it.
#include "apps/model_path.h"

#include <cstdlib>

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

}  // namespace heed
