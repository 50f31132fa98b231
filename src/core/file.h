// file.h -- the file layer: everything heed reads or writes on disk goes through it. A seam: tests fail the n-th call.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/expected.h"

namespace heed {

/// One state of a file, told without reading it: every write changes it, and nobody can set `changed_ns` back.
struct FileIdentity {
  std::uint64_t device = 0, inode = 0;
  std::int64_t bytes = 0, modified_ns = 0, changed_ns = 0;  // unix time
  bool operator==(const FileIdentity&) const = default;
};

/// A file mapped read-only for its whole life. Move-only.
class MappedFile {
 public:
  MappedFile() = default;
  MappedFile(const std::byte* data, std::size_t size, const FileIdentity& identity = {}) noexcept
      : data_(data), size_(size), identity_(identity) {}
  MappedFile(MappedFile&& o) noexcept { swap(o); }
  MappedFile& operator=(MappedFile&& o) noexcept {
    swap(o);
    return *this;
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();
  std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }
  /// Of the file when it was mapped; all zero for bytes that are no file.
  const FileIdentity& identity() const noexcept { return identity_; }
  /// Tells the kernel that these pages are not needed again soon (they leave this process' memory).
  void drop_pages(std::span<const std::byte> part) const noexcept;
  /// Tells the kernel to begin reading all of it.
  void read_ahead() const noexcept;

 private:
  void swap(MappedFile& o) noexcept {
    std::swap(data_, o.data_);
    std::swap(size_, o.size_);
    std::swap(identity_, o.identity_);
  }
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  FileIdentity identity_;
};

/// A file being written. Nothing is durable before sync() succeeds.
class OutputFile {
 public:
  virtual ~OutputFile() = default;
  virtual Expected<void> write(std::span<const std::byte> bytes) = 0;
  virtual Expected<void> sync() = 0;
};

enum class WriteMode : unsigned char { truncate, append };

class FileLayer {
 public:
  virtual ~FileLayer() = default;
  virtual Expected<MappedFile> map(const std::string& path) = 0;
  virtual Expected<std::vector<std::byte>> read(const std::string& path, std::size_t max_bytes) = 0;
  virtual Expected<std::unique_ptr<OutputFile>> create(const std::string& path, WriteMode mode) = 0;
  virtual Expected<void> rename(const std::string& from, const std::string& to) = 0;
  virtual Expected<void> remove(const std::string& path) = 0;
  virtual Expected<void> make_directories(const std::string& path) = 0;
  virtual Expected<std::vector<std::string>> list(const std::string& directory) = 0;  // names, sorted
  virtual Expected<std::int64_t> size(const std::string& path) = 0;                   // bytes
  virtual Expected<FileIdentity> identity(const std::string& path) = 0;
  virtual Expected<void> touch(const std::string& path) = 0;               // modified now
  virtual Expected<std::int64_t> free_bytes(const std::string& path) = 0;  // on its file system
};

/// The operating system's files. Lives as long as the program.
FileLayer& system_files() noexcept;

}  // namespace heed
