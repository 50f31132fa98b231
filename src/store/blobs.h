// blobs.h -- contents by their SHA-256. A name is a hard link to its content, so names with one content share its
// bytes; who uses what is read from the files themselves: there is no index that could be wrong.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/expected.h"
#include "core/file.h"

namespace heed {

struct Blob {
  std::string path, sha256;
  std::int64_t bytes = 0;
  std::uint64_t inode = 0;
};

/// 64 hexadecimal digits in lower case.
bool is_sha256(const std::string& text);

/// MODELS/.blobs. On file systems without hard links a name keeps the file for itself and there are no blobs.
class Blobs {
 public:
  Blobs(const std::string& models, FileLayer& files)
      : models_(models), directory_(models + "/.blobs"), files_(&files) {}

  const std::string& directory() const noexcept { return directory_; }
  std::string path_of(const std::string& sha256) const { return directory_ + "/sha256-" + sha256; }
  bool has(const std::string& sha256, std::int64_t bytes) const;
  Expected<std::vector<Blob>> list() const;

  /// Gives the blob another name, in place of what had it.
  Expected<void> add_name(const std::string& sha256, const std::string& path) const;
  /// Makes the file at `path`, whose hash is known to be that, a blob as well. False where the file system cannot
  /// (another device, no hard links, no permission).
  Expected<bool> adopt(const std::string& sha256, const std::string& path) const;
  /// The hash of the file at `path`, when it is a name of a blob: what it was when it came.
  std::optional<std::string> sum_of(const std::string& path) const;

  /// Removes blobs that no model names, and what stopped downloads left when `with_partials`. Those that are being made
  /// stay. Returns the bytes set free.
  Expected<std::int64_t> sweep(bool with_partials) const;
  /// Bytes of downloads that have not ended.
  std::int64_t partial_bytes() const;

 private:
  Expected<bool> hard_link(const std::string& from, const std::string& to) const;
  bool is_named(std::uint64_t inode) const;

  std::string models_, directory_;
  FileLayer* files_;
};

struct StoredFile {
  std::string path, inner;  // inner: below the directory
  std::int64_t bytes = 0, links = 0;
  std::uint64_t inode = 0;
};

/// The regular files below `directory`, at most 8 deep, by path. Hidden directories and links to directories are
/// not entered. No directory: none.
Expected<std::vector<StoredFile>> model_files(const std::string& directory);

/// Removes the directories between `path` and `root` that are empty now.
void remove_empty_parents(const std::string& path, const std::string& root) noexcept;

/// Those of them that are parts of split models of a hub whose other parts are missing.
std::vector<StoredFile> loose_parts(const std::vector<StoredFile>& files);

/// Processes that have the file at `path` mapped, as "4711 (heed)"; those of other users cannot be seen.
std::vector<std::string> processes_using(const std::string& path);

}  // namespace heed
