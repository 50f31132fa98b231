// store_source.cc -- names to files, once at the start.
#include "serve/store_source.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <mutex>

#include "store/blobs.h"

namespace heed {
namespace {

struct Entry {
  ModelInfo info;
  std::string path;
};

// Of a name that shares its content, or of the catalogue: nothing is read.
std::string known_sum(const Store& store, const Entry& entry) {
  if (const auto sum = Blobs(store.models_directory(), system_files()).sum_of(entry.path)) return *sum;
  for (const CatalogEntry& known : store.catalog())
    if (known.name == entry.info.name) return known.sha256;
  return {};
}

class StoreSource final : public ModelSource {
 public:
  StoreSource(const Store& store, std::vector<Entry> entries, StoreSourceOptions options)
      : store_(store), entries_(std::move(entries)), options_(std::move(options)) {}

  std::vector<ModelInfo> list() const override {
    std::vector<ModelInfo> infos;
    for (const Entry& entry : entries_) infos.push_back(entry.info);
    return infos;
  }

  Expected<std::unique_ptr<LoadedModel>> load(const std::string& name) override {
    const auto found =
        std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.info.name == name; });
    if (found == entries_.end()) return fail(Code::not_found, "load: no model " + name);
    if (options_.verifies) {
      HEED_ASSIGN(const bool is_known, store_.verify_file(found->path, [](const auto&) { return true; }));
      if (!is_known && options_.load.warn) options_.load.warn(name + ": not verified: no hash of it is known");
    }
    return LoadedModel::load(name, found->path, options_.load);
  }

  // Files do not change while they are served: each is read once.
  Expected<ModelFacts> facts(const std::string& name) override {
    const std::lock_guard lock(facts_mutex_);
    if (const auto known = facts_.find(name); known != facts_.end()) return known->second;
    const auto found =
        std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.info.name == name; });
    if (found == entries_.end()) return fail(Code::not_found, "facts: no model " + name);
    HEED_ASSIGN(ModelFacts made, model_facts(found->path));
    made.sha256 = known_sum(store_, *found);
    return facts_[name] = std::move(made);
  }

 private:
  Store store_;
  std::vector<Entry> entries_;
  StoreSourceOptions options_;
  std::mutex facts_mutex_;
  std::map<std::string, ModelFacts> facts_;
};

std::string kind_of(const Store& store, const std::string& name) {
  for (const CatalogEntry& entry : store.catalog())
    if (entry.name == name) return entry.kind;
  return {};
}

Entry make_entry(const Store& store, const std::string& name, const std::string& path) {
  Entry entry{{.name = name, .kind = kind_of(store, name)}, path};
  struct stat status{};
  if (::stat(path.c_str(), &status) == 0) {
    entry.info.created = status.st_mtime;
    entry.info.bytes = status.st_size;
  }
  return entry;
}

Expected<std::vector<Entry>> installed(const Store& store) {
  HEED_ASSIGN(const std::vector<StoredModel> here, store.list());
  std::vector<Entry> entries;
  for (const StoredModel& model : here) {
    const auto& catalog = store.catalog();
    const bool is_default = std::any_of(catalog.begin(), catalog.end(), [&](const CatalogEntry& entry) {
      return entry.is_default && entry.name == model.name;
    });
    entries.insert(is_default ? entries.begin() : entries.end(), make_entry(store, model.name, model.path));
  }
  if (entries.empty()) return fail(Code::not_found, "serve: no model on this machine: run `heed pull default`");
  return entries;
}

std::string name_of(const Store& store, const std::string& given) {
  const auto& catalog = store.catalog();
  if (given == "default") {
    const auto found =
        std::find_if(catalog.begin(), catalog.end(), [](const CatalogEntry& entry) { return entry.is_default; });
    if (found != catalog.end()) return found->name;
  }
  const bool is_path = !store.lookup(given) && (given.find('/') != std::string::npos || given.ends_with(".gguf"));
  return is_path ? std::filesystem::path(given).stem().string() : given;
}

}  // namespace

Expected<std::unique_ptr<ModelSource>> store_source(const Store& store, StoreSourceOptions options) {
  std::vector<Entry> entries;
  if (options.models.empty()) {
    HEED_ASSIGN(entries, installed(store));
  }
  for (const std::string& given : options.models) {
    const std::string name = name_of(store, given);
    HEED_ASSIGN(const std::string path, store.resolve(given == "default" ? name : given));
    const bool is_known =
        std::any_of(entries.begin(), entries.end(), [&](const Entry& entry) { return entry.info.name == name; });
    if (!is_known) entries.push_back(make_entry(store, name, path));
  }
  return std::unique_ptr<ModelSource>(std::make_unique<StoreSource>(store, std::move(entries), std::move(options)));
}

}  // namespace heed
