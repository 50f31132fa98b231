// page_files.h -- pages of keys and values on disk: one file a page, whole or absent, checked before it is used; the
// least recently used make room for new ones.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/file.h"

namespace heed {

/// Any thread may call. Files that vanish or are damaged are pages that are not there: they are computed again.
class PageFiles {
 public:
  static constexpr std::int64_t kQueueBytes = std::int64_t{256} << 20;  // what waits to be written at most

  /// Makes the directory, removes what a crash left half-written, and learns what is there. Errors: io.
  static Expected<std::unique_ptr<PageFiles>> open(std::string directory, std::int64_t limit_bytes,
                                                   FileLayer& files = system_files());
  ~PageFiles();  // writes what waits
  PageFiles(const PageFiles&) = delete;
  PageFiles& operator=(const PageFiles&) = delete;

  /// Names are 64 hexadecimal digits.
  bool has(const std::string& name) const;
  /// Fills `page`, which counts as a use. False: absent, of another size, or damaged, and then removed.
  bool read(const std::string& name, std::span<std::byte> page);
  /// A copy is written by a thread of its own; never waits. Dropped when it is there already, when too much waits, when
  /// the disk is full, or when the page alone is over the limit.
  void keep(const std::string& name, std::span<const std::byte> page);
  /// Until nothing waits.
  void flush();

  struct Stats {
    std::int64_t pages = 0, bytes = 0;                             // on disk
    std::int64_t read = 0, written = 0, damaged = 0, dropped = 0;  // since open()
  };
  Stats stats() const;

 private:
  struct Entry {
    std::string name;
    std::int64_t bytes = 0;
  };
  struct Waiting {
    std::string name;
    std::vector<std::byte> file;
  };

  PageFiles(std::string directory, std::int64_t limit_bytes, FileLayer& files)
      : directory_(std::move(directory)), limit_bytes_(limit_bytes), files_(&files) {}
  std::string path_of(const std::string& name) const { return directory_ + "/" + name; }
  void learn(const std::vector<std::string>& names);
  void forget(const std::string& name);  // under the lock
  void make_room(std::unique_lock<std::mutex>& lock, std::int64_t bytes);
  bool write(const Waiting& page);
  void write_all();

  std::string directory_;
  std::int64_t limit_bytes_;
  FileLayer* files_;
  mutable std::mutex mutex_;  // guards all below
  std::condition_variable has_waiting_, has_written_;
  std::list<Entry> entries_;  // most recently used first
  std::unordered_map<std::string, std::list<Entry>::iterator> by_name_;
  std::deque<Waiting> waiting_;
  std::unordered_set<std::string> queued_;  // names that wait, and the one being written
  std::int64_t waiting_bytes_ = 0;
  Stats stats_;
  bool is_stopping_ = false;
  std::thread writer_;
};

}  // namespace heed
