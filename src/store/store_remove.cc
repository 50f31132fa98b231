// store_remove.cc -- what models take on disk, and how that is given back.
#include <sys/stat.h>

#include <map>

#include "store/blobs.h"
#include "store/store.h"

namespace heed {

Expected<std::int64_t> Store::remove(const std::string& name) {
  auto model = lookup(name);
  if (!model) {
    HEED_ASSIGN(const std::vector<StoredModel> here, list());
    std::string names;
    for (const StoredModel& other : here) names += (names.empty() ? "" : ", ") + other.name;
    return fail(Code::not_found,
                "rm: no model '" + name + "' on this machine: there is " + (names.empty() ? "none" : names), "model");
  }
  for (const std::string& file : model->files) {
    const std::vector<std::string> users = processes_using(file);
    if (!users.empty())
      return fail(Code::busy, "rm: " + model->name + ": process " + users[0] + " uses it: stop that first", file);
  }
  std::int64_t freed = 0;
  for (const std::string& file : model->files) {  // the first part goes first: then the model is gone
    HEED_ASSIGN(const std::int64_t bytes, remove_file(file));
    freed += bytes;
  }
  HEED_ASSIGN(const std::int64_t swept, Blobs(models_directory(), *files_).sweep(false));
  return freed + swept;
}

Expected<std::int64_t> Store::remove_file(const std::string& path) {
  struct stat status{};
  const bool is_last = ::lstat(path.c_str(), &status) == 0 && status.st_nlink == 1;
  HEED_TRY(files_->remove(path));
  remove_empty_parents(path, models_directory());
  return is_last ? status.st_size : 0;
}

Expected<std::int64_t> Store::sweep() {
  HEED_ASSIGN(const std::vector<StoredFile> files, model_files(models_directory()));
  std::int64_t freed = 0;
  for (const StoredFile& file : loose_parts(files)) {
    HEED_ASSIGN(const std::int64_t bytes, remove_file(file.path));
    freed += bytes;
  }
  HEED_ASSIGN(const std::int64_t swept, Blobs(models_directory(), *files_).sweep(true));
  return freed + swept;
}

Expected<DiskUse> Store::disk_use() const {
  const Blobs blobs(models_directory(), *files_);
  DiskUse use;
  HEED_ASSIGN(const std::vector<StoredFile> files, model_files(models_directory()));
  std::map<std::uint64_t, std::int64_t> seen;
  for (const StoredFile& file : files) {
    const bool is_new = seen.emplace(file.inode, file.bytes).second;
    (is_new ? use.models_bytes : use.shared_bytes) += file.bytes;
  }
  HEED_ASSIGN(const std::vector<Blob> contents, blobs.list());
  for (const Blob& blob : contents)
    if (seen.find(blob.inode) == seen.end()) use.unused_bytes += blob.bytes;
  use.partial_bytes = blobs.partial_bytes();
  for (const StoredFile& file : loose_parts(files)) use.partial_bytes += file.bytes;
  const auto free = files_->free_bytes(models_directory());
  use.free_bytes = free ? *free : 0;
  return use;
}

}  // namespace heed
