// blobs.cc -- hard links, counted by the file system.
#include "store/blobs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>

#include "core/file_lock.h"
#include "store/hub_name.h"

namespace heed {
namespace {

namespace fs = std::filesystem;

constexpr const char *kPrefix = "sha256-", *kLink = ".link-";
constexpr std::size_t kPrefixLength = 7;

bool is_blob_name(const std::string& name) {
  return name.starts_with(kPrefix) && is_sha256(name.substr(kPrefixLength));
}

/// A link on its way whose process was killed.
bool is_lost_link(const std::string& name) {
  if (!name.starts_with(kLink)) return false;
  const long process = std::strtol(name.c_str() + std::strlen(kLink), nullptr, 10);
  return process > 0 && ::kill(static_cast<pid_t>(process), 0) != 0 && errno == ESRCH;
}

Error link_error(const std::string& from, const std::string& to) {
  return fail(Code::io, "store: link " + from + " to " + to + ": " + std::strerror(errno), to);
}

}  // namespace

bool is_sha256(const std::string& text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

/// In one step: another link, then a rename over what has the name.
Expected<bool> Blobs::hard_link(const std::string& from, const std::string& to) const {
  static std::atomic<int> number{0};
  const std::string fresh = directory_ + "/" + kLink + std::to_string(::getpid()) + "-" + std::to_string(++number);
  ::unlink(fresh.c_str());
  if (::linkat(AT_FDCWD, from.c_str(), AT_FDCWD, fresh.c_str(), AT_SYMLINK_FOLLOW) != 0) {
    if (errno == EXDEV || errno == EPERM || errno == EOPNOTSUPP || errno == EMLINK || errno == EACCES) return false;
    return link_error(from, to);
  }
  auto renamed = files_->rename(fresh, to);
  ::unlink(fresh.c_str());  // of two names of one file, rename keeps both
  if (!renamed) return std::move(renamed).error();
  return true;
}

bool Blobs::has(const std::string& sha256, std::int64_t bytes) const {
  const auto size = files_->size(path_of(sha256));
  return size && *size == bytes;
}

Expected<std::vector<Blob>> Blobs::list() const {
  std::vector<Blob> out;
  const auto names = files_->list(directory_);
  if (!names && names.error().code != Code::not_found) return names.error();
  for (std::size_t i = 0; names && i < names->size(); ++i) {
    const std::string& name = (*names)[i];
    struct stat status{};
    const std::string path = directory_ + "/" + name;
    if (!is_blob_name(name) || ::lstat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
    out.push_back(
        {.path = path, .sha256 = name.substr(kPrefixLength), .bytes = status.st_size, .inode = status.st_ino});
  }
  return out;
}

Expected<void> Blobs::add_name(const std::string& sha256, const std::string& path) const {
  HEED_TRY(files_->make_directories(fs::path(path).parent_path().string()));
  HEED_ASSIGN(const bool is_linked, hard_link(path_of(sha256), path));
  if (is_linked) return {};
  return files_->rename(path_of(sha256), path);
}

Expected<bool> Blobs::adopt(const std::string& sha256, const std::string& path) const {
  HEED_TRY(files_->make_directories(directory_));
  return hard_link(path, path_of(sha256));
}

std::optional<std::string> Blobs::sum_of(const std::string& path) const {
  const auto file = files_->identity(path);
  const auto blobs = list();
  for (std::size_t i = 0; file && blobs && i < blobs->size(); ++i) {
    const auto blob = files_->identity((*blobs)[i].path);
    if (blob && blob->device == file->device && blob->inode == file->inode) return (*blobs)[i].sha256;
  }
  return std::nullopt;
}

bool Blobs::is_named(std::uint64_t inode) const {
  const auto files = model_files(models_);
  if (!files) return true;  // not known: better kept
  return std::any_of(files->begin(), files->end(), [&](const StoredFile& file) { return file.inode == inode; });
}

Expected<std::int64_t> Blobs::sweep(bool with_partials) const {
  std::int64_t freed = 0;
  const auto names = files_->list(directory_);
  if (!names) return freed;
  for (const std::string& name : *names) {
    const std::string path = directory_ + "/" + name, stem = name.substr(0, name.rfind('.'));
    const bool is_leftover = name.ends_with(".partial") || name.ends_with(".parts");
    struct stat status{};
    if (is_lost_link(name)) ::unlink(path.c_str());
    if (name[0] == '.' || ::lstat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
    if (is_leftover ? !with_partials : !is_blob_name(name) || is_named(status.st_ino)) continue;
    // Whoever makes or names it holds this lock: looking again under it is safe.
    HEED_ASSIGN(const auto lock, FileLock::try_lock(directory_ + "/." + (is_leftover ? stem : name) + ".lock"));
    if (!lock || ::lstat(path.c_str(), &status) != 0 || (!is_leftover && is_named(status.st_ino))) continue;
    HEED_TRY(files_->remove(path));
    if (status.st_nlink == 1) freed += status.st_size;  // an imported one may belong to its first owner too
  }
  return freed;
}

std::int64_t Blobs::partial_bytes() const {
  std::int64_t bytes = 0;
  const auto names = files_->list(directory_);
  for (std::size_t i = 0; names && i < names->size(); ++i) {
    if (!(*names)[i].ends_with(".partial")) continue;
    const auto size = files_->size(directory_ + "/" + (*names)[i]);
    if (size) bytes += *size;
  }
  return bytes;
}

Expected<std::vector<StoredFile>> model_files(const std::string& directory) {
  constexpr int kMaxDepth = 8;
  std::vector<StoredFile> out;
  std::error_code error;
  fs::recursive_directory_iterator it(directory, error), end;
  if (error == std::errc::no_such_file_or_directory) return out;
  for (; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    std::error_code ignored;
    if (it->is_directory(ignored) && (name[0] == '.' || it.depth() >= kMaxDepth)) it.disable_recursion_pending();
    struct stat status{};
    if (name[0] == '.' || ::stat(it->path().c_str(), &status) != 0) continue;
    if (!S_ISREG(status.st_mode)) continue;
    out.push_back({.path = it->path().string(),
                   .inner = it->path().string().substr(directory.size() + 1),
                   .bytes = status.st_size,
                   .links = static_cast<std::int64_t>(status.st_nlink),
                   .inode = status.st_ino});
  }
  if (error) return fail(Code::io, "list: " + directory + ": " + error.message(), directory);
  std::sort(out.begin(), out.end(), [](const StoredFile& a, const StoredFile& b) { return a.inner < b.inner; });
  return out;
}

std::vector<StoredFile> loose_parts(const std::vector<StoredFile>& files) {
  std::map<std::string, int> parts;  // how many there are of each split file
  const auto key_of = [](const StoredFile& file) -> std::string {
    const auto part = split_part_of(file.inner);
    return part && hub_name_of_path(file.inner) ? part->stem + "/" + std::to_string(part->count) : "";
  };
  for (const StoredFile& file : files) ++parts[key_of(file)];
  std::vector<StoredFile> out;
  for (const StoredFile& file : files) {
    const std::string key = key_of(file);
    if (!key.empty() && parts[key] < split_part_of(file.inner)->count) out.push_back(file);
  }
  return out;
}

void remove_empty_parents(const std::string& path, const std::string& root) noexcept {
  const std::size_t top = root.size();
  std::string place = path;
  for (std::size_t slash; (slash = place.rfind('/')) != std::string::npos && slash > top;) {
    place.resize(slash);
    if (::rmdir(place.c_str()) != 0) return;
  }
}

}  // namespace heed
