// file_lock.h -- one process at a time: an advisory lock on a file, released when the holder ends, however it ends.
#pragma once
#include <optional>
#include <string>

#include "core/expected.h"

namespace heed {

/// Move-only; the lock file is removed on release.
class FileLock {
 public:
  /// Nothing when somebody else holds the lock.
  static Expected<std::optional<FileLock>> try_lock(const std::string& path);
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&&) = delete;
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  ~FileLock();

 private:
  FileLock(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
  int descriptor_ = -1;
  std::string path_;
};

}  // namespace heed
