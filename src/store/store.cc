// store.cc -- what is on disk, names to paths, and pull's frame: lock, look again, get.
#include "store/store.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <numeric>
#include <thread>

#include "core/file_lock.h"
#include "store/assembly.h"
#include "store/pull.h"

namespace heed {
namespace {

constexpr auto kLockPoll = std::chrono::milliseconds(100);
constexpr const char* kSuffix = ".gguf";

struct Distance {
  std::size_t whole, beginning;  // edits from a to b, and to the nearest beginning of b
};

Distance edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);  // row[j]: edits from what was read of a to b's first j letters
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return {row.back(), *std::min_element(row.begin(), row.end())};
}

bool is_offline() {
  const char* value = std::getenv("HEED_OFFLINE");
  return value != nullptr && *value != '\0' && std::string(value) != "0";
}

}  // namespace

Store::Store(std::string home, std::vector<CatalogEntry> catalog, FileLayer& files)
    : home_(std::move(home)), catalog_(std::move(catalog)), files_(&files) {}

bool Store::is_complete(const CatalogEntry& entry) const {
  const auto size = files_->size(models_directory() + "/" + entry.file);
  return size && *size == entry.size_bytes;
}

std::string Store::nearest(const std::string& name) const {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(name.size() / 2, 3);  // farther is no help
  for (const CatalogEntry& entry : catalog_) {
    const Distance edits = edit_distance(name, entry.name);
    std::size_t distance = edits.whole;
    if (name.size() >= 4) {  // a part or a misspelt beginning is worth a guess too
      distance = std::min(distance, edits.beginning + 1);
      if (entry.name.find(name) != std::string::npos) distance = 1;
    }
    if (distance >= best_distance) continue;
    best = entry.name;
    best_distance = distance;
  }
  return best;
}

Expected<const CatalogEntry*> Store::find(const std::string& name) const {
  for (const CatalogEntry& entry : catalog_) {
    if (entry.name == name || (name == "default" && entry.is_default)) return &entry;
  }
  const std::string close = nearest(name);
  return fail(Code::not_found,
              "model '" + name + "': not in the catalogue: " +
                  (close.empty() ? "`heed models` lists what there is" : "did you mean '" + close + "'?"),
              "model");
}

Expected<std::vector<StoredModel>> Store::list() const {
  std::vector<StoredModel> models;
  for (const CatalogEntry& entry : catalog_) {
    if (is_complete(entry))
      models.push_back({entry.name, models_directory() + "/" + entry.file, entry.size_bytes, true});
  }
  const auto names = files_->list(models_directory());
  if (!names && names.error().code != Code::not_found) return names.error();
  for (std::size_t i = 0; names && i < names->size(); ++i) {
    const std::string& file = (*names)[i];
    const auto is_entry = [&](const CatalogEntry& entry) { return entry.file == file; };
    if (!file.ends_with(kSuffix) || std::any_of(catalog_.begin(), catalog_.end(), is_entry)) continue;
    const std::string path = models_directory() + "/" + file;
    const auto size = files_->size(path);
    if (size) models.push_back({file.substr(0, file.size() - 5), path, *size, false});
  }
  std::sort(models.begin(), models.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return models;
}

Expected<std::string> Store::resolve(const std::string& name_or_path) const {
  const auto entry = find(name_or_path);
  if (entry && is_complete(**entry)) return models_directory() + "/" + (*entry)->file;
  if (entry)
    return fail(Code::not_found,
                "model '" + (*entry)->name + "': not on this machine: run `heed pull " + (*entry)->name + "`", "model");
  if (files_->size(name_or_path)) return name_or_path;
  if (name_or_path.find('/') != std::string::npos)
    return fail(Code::not_found, "model '" + name_or_path + "': no such file: give a path or a name of `heed models`",
                "model");
  for (const std::string& file : {name_or_path, name_or_path + kSuffix}) {
    const std::string path = models_directory() + "/" + file;
    if (file.ends_with(kSuffix) && files_->size(path)) return path;
  }
  const std::string close = nearest(name_or_path);
  return fail(Code::not_found,
              "model '" + name_or_path + "': no such file, nor a name of the catalogue: " +
                  (close.empty() ? "`heed models` lists what there is, `heed pull NAME` gets one"
                                 : "did you mean '" + close + "'? `heed pull " + close + "` gets it"),
              "model");
}

Expected<std::string> Store::pull(const std::string& name, const OnProgress& progress) {
  HEED_ASSIGN(const CatalogEntry* entry, find(name));
  const std::string path = models_directory() + "/" + entry->file;
  if (is_complete(*entry)) return path;
  if (is_offline())
    return fail(Code::io, "pull: " + entry->name + ": HEED_OFFLINE is set: unset it, or copy the file to " + path,
                "model");
  HEED_TRY(files_->make_directories(models_directory()));
  for (;;) {
    HEED_ASSIGN(const auto lock, FileLock::try_lock(models_directory() + "/." + entry->file + ".lock"));
    if (is_complete(*entry)) return path;
    if (lock) {
      HEED_TRY(Pull(*files_, *entry, models_directory(), progress, unreachable_hosts_).run());
      return path;
    }
    const auto came = files_->size(path + ".partial");
    if (!progress({"another process is pulling it", came ? *came : 0, entry->size_bytes}))
      return fail(Code::cancelled, "pull: " + entry->name + ": cancelled", "model");
    std::this_thread::sleep_for(kLockPoll);
  }
}

Expected<void> Store::verify(const std::string& name, const OnProgress& progress) const {
  HEED_ASSIGN(const CatalogEntry* entry, find(name));
  const std::string path = models_directory() + "/" + entry->file;
  HEED_ASSIGN(const std::string got, file_sha256(*files_, path, [&](std::int64_t done) {
                return progress({"checking", done, entry->size_bytes});
              }));
  if (got == entry->sha256) return {};
  return fail(Code::malformed,
              "verify: " + path + ": expected SHA-256 " + entry->sha256 + ", got " + got +
                  ": remove the file and run `heed pull " + entry->name + "`",
              path);
}

}  // namespace heed
