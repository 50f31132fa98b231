// file_cache.h -- a directory of files that can be made again: whole or absent, every byte checked before it is used,
// one maker at a time; the least recently used make room for new ones.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/expected.h"
#include "core/file.h"
#include "core/thread_pool.h"

namespace heed {

/// Mapped, so that all processes that open it share its memory.
struct CachedFile {
  MappedFile file;
  std::span<const std::byte> content;  // aligned to a page
};

/// How to make what the cache lacks.
struct CachedFileMaker {
  std::int64_t bytes = 0;                                  // of the content
  std::function<bool(std::span<const std::byte>)> is_fit;  // whether a content of that name will do
  std::function<Expected<void>(OutputFile&)> write;        // writes `bytes` bytes
};

class FileCache {
 public:
  /// The files together take at most `limit_bytes`. The directory is made when it is needed.
  FileCache(std::string directory, std::int64_t limit_bytes, FileLayer& files = system_files());

  /// The content of `name`. Check sums are compared on the pool; `write` is not called. Opening counts as a use.
  /// Errors: not_found, malformed (damaged or unfit).
  Expected<CachedFile> open(const std::string& name, const CachedFileMaker& maker, ThreadPool& pool);
  /// The same, made when it is absent, damaged or unfit; waits while another process makes it. Errors: io (unwritable,
  /// full), too_long (over the limit), busy (another maker hangs), what `write` says.
  Expected<CachedFile> open_or_make(const std::string& name, const CachedFileMaker& maker, ThreadPool& pool);

  /// Remembers which name belongs to another file in that state. Forgotten when the name is gone. A file that changed
  /// this very moment is not remembered: its next change may look the same.
  void note(const FileIdentity& other, const std::string& name);
  std::optional<std::string> noted(const FileIdentity& other) const;

  struct Entry {
    std::string name;
    std::int64_t bytes = 0, used_ns = 0;  // unix time
  };
  /// The latest used first. No directory: none.
  Expected<std::vector<Entry>> list() const;
  /// Removes the least recently used until the rest fits, and what makers left behind. Returns the bytes set free.
  /// Processes that have a removed file open keep it.
  Expected<std::int64_t> prune(std::int64_t limit_bytes);

 private:
  std::string path_of(const std::string& name) const { return directory_ + "/" + name; }
  std::string lock_of(const std::string& name) const { return directory_ + "/." + name + ".lock"; }
  Expected<void> make(const std::string& name, const CachedFileMaker& maker);
  Expected<void> make_room(const std::string& name, std::int64_t bytes);
  std::int64_t remove_leftovers(const std::vector<std::string>& names);

  std::string directory_;
  std::int64_t limit_bytes_;
  FileLayer* files_;
};

}  // namespace heed
