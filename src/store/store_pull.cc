// store_pull.cc -- pull's frame: what a name stands for, lock its content, look again, get it, name it.
#include <algorithm>
#include <chrono>
#include <thread>

#include "core/file_lock.h"
#include "store/assembly.h"
#include "store/blobs.h"
#include "store/hub.h"
#include "store/pull.h"
#include "store/store.h"

namespace heed {
namespace {

constexpr auto kLockPoll = std::chrono::milliseconds(100);

Error offline(const std::string& name, const std::string& advice) {
  return fail(Code::io, "pull: " + name + ": HEED_OFFLINE is set: unset it" + advice, "model");
}

Error wrong_sum(const std::string& path, const std::string& expected, const std::string& got) {
  return fail(Code::malformed,
              "verify: " + path + ": expected SHA-256 " + expected + ", got " + got +
                  ": remove the model (`heed rm`) and pull it again",
              path);
}

}  // namespace

Expected<std::vector<CatalogEntry>> Store::entries_of(const std::string& name, const OnProgress& progress) const {
  const auto entry = find(name);
  if (entry) return std::vector<CatalogEntry>{**entry};
  const auto hub_name = parse_hub_name(name);
  if (!hub_name) return entry.error();
  if (is_offline()) return offline(name, ", or put the file into " + models_directory() + "/" + hub_name->directory());
  HEED_ASSIGN(const HubOptions options, read_hub_options(home_, *files_));
  const Hub hub(options);
  HEED_ASSIGN(std::vector<HubFile> files, hub.list(*hub_name, [&] { return progress({"asking the hub", 0, 0}); }));
  HEED_ASSIGN(const HubChoice choice, choose(choices_of(std::move(files)), *hub_name));
  std::vector<CatalogEntry> entries;
  for (const HubFile& part : choice.parts) {
    HubName whole = *hub_name;
    whole.file = part.path;
    entries.push_back({.name = whole.text(),
                       .file = whole.directory() + "/" + part.path,
                       .size_bytes = part.bytes,
                       .sha256 = part.sha256,
                       .sources = hub.sources(whole, part.path)});
  }
  std::reverse(entries.begin(), entries.end());  // the first part appears last: then the model is whole
  return entries;
}

Expected<std::vector<RemoteChoice>> Store::choices(const std::string& name, const OnProgress& progress) const {
  const auto hub_name = parse_hub_name(name);
  if (!hub_name) return unknown(name);
  if (is_offline()) return offline(name, "");
  HEED_ASSIGN(const HubOptions options, read_hub_options(home_, *files_));
  HEED_ASSIGN(std::vector<HubFile> files,
              Hub(options).list(*hub_name, [&] { return progress({"asking the hub", 0, 0}); }));
  std::vector<RemoteChoice> out;
  for (const HubChoice& choice : choices_of(std::move(files))) {
    HubName whole = *hub_name;
    whole.file = choice.file;
    const auto size = files_->size(models_directory() + "/" + whole.directory() + "/" + choice.file);
    out.push_back({.name = whole.text(),
                   .type = choice.type,
                   .bytes = choice.bytes,
                   .is_here = size && *size == choice.parts.front().bytes});
  }
  return out;
}

/// A catalogue model that came before there were blobs may have the same content.
Expected<bool> Store::share_twin(const CatalogEntry& entry, const OnProgress& progress) const {
  const Blobs blobs(models_directory(), *files_);
  for (const CatalogEntry& other : catalog_) {
    if (other.sha256 != entry.sha256 || other.name == entry.name || !is_complete(other)) continue;
    const std::string path = models_directory() + "/" + other.file;
    HEED_ASSIGN(const std::string got, file_sha256(*files_, path, [&](std::int64_t done) {
                  return progress({"checking " + other.name, done, entry.size_bytes});
                }));
    if (got == entry.sha256) return blobs.adopt(got, path);
  }
  return false;
}

Expected<void> Store::make_blob(const CatalogEntry& entry, const OnProgress& progress, std::string& sha256) {
  const Blobs blobs(models_directory(), *files_);
  sha256 = entry.sha256;
  if (!sha256.empty()) {
    if (blobs.has(sha256, entry.size_bytes)) return {};
    HEED_ASSIGN(const bool is_shared, share_twin(entry, progress));
    if (is_shared) return {};
  }
  if (is_offline()) return offline(entry.name, ", or copy the file to " + models_directory() + "/" + entry.file);
  HEED_ASSIGN(sha256, Pull(*files_, entry, blobs, progress, unreachable_hosts_).run());
  return {};
}

Expected<void> Store::pull_entry(const CatalogEntry& entry, const OnProgress& progress) {
  const Blobs blobs(models_directory(), *files_);
  const std::string path = models_directory() + "/" + entry.file, stem = blobs.directory() + "/" + content_key(entry);
  HEED_TRY(files_->make_directories(blobs.directory()));
  while (!is_complete(entry)) {
    const std::string lock_path = blobs.directory() + "/." + content_key(entry) + ".lock";
    HEED_ASSIGN(const auto lock, FileLock::try_lock(lock_path));
    if (lock) {
      if (is_complete(entry)) return {};
      std::string sha256;
      HEED_TRY(make_blob(entry, progress, sha256));
      return blobs.add_name(sha256, path);
    }
    const auto came = files_->size(stem + ".partial");
    if (!progress({"another process is pulling it", came ? *came : 0, entry.size_bytes}))
      return fail(Code::cancelled, "pull: " + entry.name + ": cancelled", "model");
    std::this_thread::sleep_for(kLockPoll);
  }
  return {};
}

Expected<std::string> Store::pull(const std::string& name, const OnProgress& progress) {
  const auto hub_name = parse_hub_name(name);
  const bool is_question = hub_name && hub_name->file.empty() && !is_offline();  // what is there may be one of several
  const auto here = lookup(name);
  if (here && !is_question) return here->path;
  HEED_ASSIGN(const std::vector<CatalogEntry> entries, entries_of(name, progress));
  const auto is_missing = [this](const CatalogEntry& entry) { return !is_complete(entry); };
  while (std::any_of(entries.begin(), entries.end(), is_missing))  // parts may go while others come
    for (const CatalogEntry& entry : entries) HEED_TRY(pull_entry(entry, progress));
  return models_directory() + "/" + entries.back().file;
}

Expected<void> Store::check_name(const CatalogEntry& entry) const {
  const std::string path = models_directory() + "/" + entry.file;
  const auto taken = [&] {
    return fail(Code::invalid_argument, "import: " + entry.name + ": another model has this name: `heed rm` it first");
  };
  for (const CatalogEntry& other : catalog_)
    if (other.file == entry.file && other.sha256 != entry.sha256) return taken();
  if (!files_->size(path)) return {};
  const auto sum = Blobs(models_directory(), *files_).sum_of(path);
  return sum && *sum == entry.sha256 ? Expected<void>() : taken();
}

Expected<std::string> Store::adopt(const std::string& source, CatalogEntry entry, const OnProgress& progress) {
  const Blobs blobs(models_directory(), *files_);
  const std::string path = models_directory() + "/" + entry.file;
  if (entry.sha256.empty() || !blobs.has(entry.sha256, entry.size_bytes)) {
    HEED_ASSIGN(const std::string got, file_sha256(*files_, source, [&](std::int64_t done) {
                  return progress({"checking", done, entry.size_bytes});
                }));
    if (!entry.sha256.empty() && got != entry.sha256)
      return fail(Code::malformed,
                  "import: " + entry.name + ": expected SHA-256 " + entry.sha256 + ", " + source + " has " + got,
                  source);
    entry.sha256 = got;
  }
  HEED_TRY(check_name(entry));
  HEED_TRY(files_->make_directories(blobs.directory()));
  HEED_ASSIGN(const auto lock, FileLock::try_lock(blobs.directory() + "/." + content_key(entry) + ".lock"));
  if (!lock) return fail(Code::busy, "import: " + entry.name + ": another process brings this content: try again");
  if (!blobs.has(entry.sha256, entry.size_bytes)) {
    HEED_ASSIGN(const bool is_linked, blobs.adopt(entry.sha256, source));
    if (!is_linked) HEED_TRY(copy_file(*files_, source, entry, blobs, progress));
  }
  HEED_TRY(blobs.add_name(entry.sha256, path));
  return path;
}

std::string Store::known_sum(const std::string& path) const {
  for (const CatalogEntry& entry : catalog_)
    if (path == models_directory() + "/" + entry.file) return entry.sha256;
  return Blobs(models_directory(), *files_).sum_of(path).value_or("");
}

Expected<bool> Store::verify_file(const std::string& path, const OnProgress& progress) const {
  const std::string expected = known_sum(path);
  HEED_ASSIGN(const std::int64_t size, files_->size(path));
  if (expected.empty()) return false;
  HEED_ASSIGN(const std::string got,
              file_sha256(*files_, path, [&](std::int64_t done) { return progress({"checking", done, size}); }));
  if (got != expected) return wrong_sum(path, expected, got);
  return true;
}

Expected<bool> Store::verify(const std::string& name, const OnProgress& progress) const {
  HEED_ASSIGN(const StoredModel model, lookup(name));
  bool is_known = true;
  for (const std::string& file : model.files) {
    HEED_ASSIGN(const bool is_sure, verify_file(file, progress));
    is_known = is_known && is_sure;
  }
  return is_known;
}

}  // namespace heed
