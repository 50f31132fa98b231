// file_lock.cc -- flock(2) on a file that is removed under the lock.
#include "core/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace heed {

Expected<std::optional<FileLock>> FileLock::try_lock(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) return fail(Code::io, "lock: " + path + ": " + std::strerror(errno), path);
  FileLock lock(descriptor, {});
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK || errno == EINTR) return std::optional<FileLock>();
    return fail(Code::io, "lock: " + path + ": " + std::strerror(errno), path);
  }
  // The last holder may have removed this file between open and flock: then the lock guards nothing.
  struct stat ours{}, there{};
  if (::fstat(descriptor, &ours) != 0 || ::stat(path.c_str(), &there) != 0 || ours.st_ino != there.st_ino)
    return std::optional<FileLock>();
  lock.path_ = path;
  return std::optional<FileLock>(std::move(lock));
}

FileLock::FileLock(FileLock&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), path_(std::move(other.path_)) {
  other.path_.clear();
}

FileLock::~FileLock() {
  if (!path_.empty()) ::unlink(path_.c_str());
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace heed
