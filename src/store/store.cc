// store.cc -- what is on disk, and names to paths.
#include "store/store.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <numeric>

#include "store/blobs.h"
#include "store/hub_name.h"

namespace heed {
namespace {

constexpr const char* kModelSuffix = ".gguf";
constexpr std::size_t kModelSuffixLength = 5;

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

/// The name of a choice below models/`directory` ("" for the top).
std::string name_of(const std::string& directory, const HubChoice& choice) {
  if (directory.empty()) return choice.file.substr(0, choice.file.size() - kModelSuffixLength);
  const auto name = hub_name_of_path(directory + "/" + choice.file);
  return name ? name->text() : "";
}

/// Files below models/ by repository ("OWNER/REPO"; your own, at the top, under ""), parts put together.
std::map<std::string, std::vector<HubChoice>> by_directory(const std::vector<StoredFile>& files) {
  std::map<std::string, std::vector<HubFile>> groups;
  for (const StoredFile& file : files) {
    if (file.inner.find('/') == std::string::npos) groups[""].push_back({.path = file.inner, .bytes = file.bytes});
    const auto name = hub_name_of_path(file.inner);
    if (name) groups[name->directory()].push_back({.path = name->file, .bytes = file.bytes});
  }
  std::map<std::string, std::vector<HubChoice>> out;
  for (auto& [directory, group] : groups) out[directory] = choices_of(std::move(group));
  return out;
}

StoredModel stored(const std::string& models, const std::string& directory, const HubChoice& choice) {
  StoredModel model{.name = name_of(directory, choice), .bytes = choice.bytes};
  const std::string place = models + "/" + (directory.empty() ? "" : directory + "/");
  for (const HubFile& part : choice.parts) model.files.push_back(place + part.path);
  model.path = model.files.front();
  return model;
}

}  // namespace

bool is_offline() {
  const char* value = std::getenv("HEED_OFFLINE");
  return value != nullptr && *value != '\0' && std::string(value) != "0";
}

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
                  (close.empty() ? "`heed models` lists what there is, OWNER/REPO:FILE names one of a hub"
                                 : "did you mean '" + close + "'?"),
              "model");
}

Error Store::unknown(const std::string& name) const {
  const std::string start = "model '" + name + "': ";
  const auto hub = parse_hub_name(name);
  const bool is_path =
      name.find('/') != std::string::npos && (!hub || (hub->file.empty() && name.ends_with(kModelSuffix)));
  if (is_path) return fail(Code::not_found, start + "no such file: give a path or a name of `heed models`", "model");
  if (hub) return fail(Code::not_found, start + "not on this machine: run `heed pull " + name + "`", "model");
  const std::string close = nearest(name);
  return fail(Code::not_found,
              start + "no such file, nor a name of the catalogue: " +
                  (close.empty() ? "`heed models` lists what there is, `heed pull NAME` gets one"
                                 : "did you mean '" + close + "'? `heed pull " + close + "` gets it"),
              "model");
}

Expected<std::vector<StoredModel>> Store::list() const {
  HEED_ASSIGN(const std::vector<StoredFile> files, model_files(models_directory()));
  std::vector<StoredModel> models;
  for (const CatalogEntry& entry : catalog_) {
    const std::string path = models_directory() + "/" + entry.file;
    if (is_complete(entry)) models.push_back({entry.name, path, entry.size_bytes, true, {path}});
  }
  for (const auto& [directory, choices] : by_directory(files)) {
    for (const HubChoice& choice : choices) {
      const auto is_entry = [&](const CatalogEntry& entry) { return entry.file == choice.file; };
      if (directory.empty() && std::any_of(catalog_.begin(), catalog_.end(), is_entry)) continue;
      models.push_back(stored(models_directory(), directory, choice));
    }
  }
  std::sort(models.begin(), models.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return models;
}

Expected<StoredModel> Store::lookup(const std::string& name) const {
  const auto entry = find(name);
  if (entry && is_complete(**entry)) {
    const std::string path = models_directory() + "/" + (*entry)->file;
    return StoredModel{(*entry)->name, path, (*entry)->size_bytes, true, {path}};
  }
  if (entry)
    return fail(Code::not_found,
                "model '" + (*entry)->name + "': not on this machine: run `heed pull " + (*entry)->name + "`", "model");
  const auto hub = parse_hub_name(name);
  if (!hub && name.find('/') != std::string::npos) return unknown(name);
  HEED_ASSIGN(const std::vector<StoredFile> files, model_files(models_directory()));
  const std::string directory = hub ? hub->directory() : "";
  auto groups = by_directory(files);
  const std::vector<HubChoice>& choices = groups[directory];
  if (hub && !choices.empty()) {
    auto choice = choose(choices, *hub);
    if (choice) return stored(models_directory(), directory, *choice);
    if (choice.error().code != Code::not_found) return std::move(choice).error();
  }
  for (std::size_t i = 0; !hub && i < choices.size(); ++i) {
    if (choices[i].file == name || choices[i].file == name + kModelSuffix)
      return stored(models_directory(), directory, choices[i]);
  }
  return unknown(name);
}

Expected<std::string> Store::resolve(const std::string& name_or_path) const {
  const bool is_name = find(name_or_path).has_value();
  if (!is_name && files_->size(name_or_path)) return name_or_path;
  HEED_ASSIGN(const StoredModel model, lookup(name_or_path));
  return model.path;
}

}  // namespace heed
