// file.cc -- the operating system's files behind the seam.
#include "core/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace heed {
namespace {

Error system_error(const std::string& operation, const std::string& path) {
  const int e = errno;
  const Code code = e == ENOENT || e == ENOTDIR ? Code::not_found : e == ENOMEM ? Code::out_of_memory : Code::io;
  return fail(code, operation + ": " + path + ": " + std::strerror(e), path);
}

FileIdentity identity_of(const struct stat& st) {
  const auto nanoseconds = [](const timespec& t) { return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec; };
  return {.device = st.st_dev,
          .inode = st.st_ino,
          .bytes = st.st_size,
          .modified_ns = nanoseconds(st.st_mtim),
          .changed_ns = nanoseconds(st.st_ctim)};
}

struct Descriptor {
  int fd = -1;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

class SystemOutput final : public OutputFile {
 public:
  SystemOutput(int fd, std::string path) : path_(std::move(path)) { file_.fd = fd; }
  Expected<void> write(std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const ssize_t n = ::write(file_.fd, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return system_error("write", path_);
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
    return {};
  }
  Expected<void> sync() override {
    if (::fsync(file_.fd) != 0) return system_error("sync", path_);
    return {};
  }

 private:
  Descriptor file_;
  std::string path_;
};

class SystemFiles final : public FileLayer {
 public:
  Expected<MappedFile> map(const std::string& path) override {
    Descriptor d{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (d.fd < 0) return system_error("open", path);
    struct stat st{};
    if (::fstat(d.fd, &st) != 0) return system_error("stat", path);
    if (!S_ISREG(st.st_mode)) return fail(Code::invalid_argument, "open: " + path + ": not a regular file", path);
    if (st.st_size == 0) return MappedFile(nullptr, 0, identity_of(st));
    void* p = ::mmap(nullptr, static_cast<std::size_t>(st.st_size), PROT_READ, MAP_PRIVATE, d.fd, 0);
    if (p == MAP_FAILED) return system_error("map", path);
    return MappedFile(static_cast<const std::byte*>(p), static_cast<std::size_t>(st.st_size), identity_of(st));
  }

  Expected<std::vector<std::byte>> read(const std::string& path, std::size_t max_bytes) override {
    Descriptor d{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (d.fd < 0) return system_error("open", path);
    std::vector<std::byte> out;
    std::byte chunk[1 << 16];
    for (;;) {
      const ssize_t n = ::read(d.fd, chunk, sizeof chunk);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return system_error("read", path);
      if (n == 0) return out;
      if (out.size() + static_cast<std::size_t>(n) > max_bytes)
        return fail(Code::too_long, "read: " + path + ": larger than " + std::to_string(max_bytes) + " bytes", path);
      out.insert(out.end(), chunk, chunk + n);
    }
  }

  Expected<std::unique_ptr<OutputFile>> create(const std::string& path, WriteMode mode) override {
    const int how = mode == WriteMode::append ? O_APPEND : O_TRUNC;
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | how, 0644);
    if (fd < 0) return system_error("create", path);
    return std::unique_ptr<OutputFile>(std::make_unique<SystemOutput>(fd, path));
  }

  Expected<void> rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return system_error("rename", from);
    const std::string folder = std::filesystem::path(to).parent_path().string();
    const int fd = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return {};  // a folder that may be written and not read: nothing to be made durable
    const bool is_durable = ::fsync(fd) == 0 || errno == EINVAL;  // some file systems have no such thing
    ::close(fd);
    if (!is_durable) return system_error("sync", folder);
    return {};
  }

  Expected<void> remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) return system_error("remove", path);
    return {};
  }

  Expected<void> make_directories(const std::string& path) override {
    std::error_code ec;
    std::filesystem::create_directories(path, ec);
    if (ec) return fail(Code::io, "make directory: " + path + ": " + ec.message(), path);
    return {};
  }

  Expected<std::vector<std::string>> list(const std::string& directory) override {
    std::error_code ec;
    std::filesystem::directory_iterator it(directory, ec);
    if (ec) return fail(Code::not_found, "list: " + directory + ": " + ec.message(), directory);
    std::vector<std::string> names;
    for (; it != std::filesystem::directory_iterator(); it.increment(ec)) {
      if (ec) return fail(Code::io, "list: " + directory + ": " + ec.message(), directory);
      names.push_back(it->path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  Expected<std::int64_t> size(const std::string& path) override {
    struct stat st{};
    if (::stat(path.c_str(), &st) != 0) return system_error("stat", path);
    return static_cast<std::int64_t>(st.st_size);
  }

  Expected<FileIdentity> identity(const std::string& path) override {
    struct stat st{};
    if (::stat(path.c_str(), &st) != 0) return system_error("stat", path);
    return identity_of(st);
  }

  Expected<void> touch(const std::string& path) override {
    if (::utimensat(AT_FDCWD, path.c_str(), nullptr, 0) != 0) return system_error("touch", path);
    return {};
  }

  Expected<std::int64_t> free_bytes(const std::string& path) override {
    struct statvfs st{};
    if (::statvfs(path.c_str(), &st) != 0) return system_error("statvfs", path);
    return static_cast<std::int64_t>(st.f_bavail) * static_cast<std::int64_t>(st.f_frsize);
  }
};

}  // namespace

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
}

void MappedFile::drop_pages(std::span<const std::byte> part) const noexcept {
  constexpr std::uintptr_t kPage = 4096;
  const std::uintptr_t first = reinterpret_cast<std::uintptr_t>(part.data()), last = first + part.size();
  const std::uintptr_t begin = (first + kPage - 1) & ~(kPage - 1), end = last & ~(kPage - 1);
  if (end > begin) ::madvise(const_cast<std::byte*>(part.data()) + (begin - first), end - begin, MADV_DONTNEED);
}

void MappedFile::read_ahead() const noexcept {
  if (data_) ::madvise(const_cast<std::byte*>(data_), size_, MADV_WILLNEED);
}

FileLayer& system_files() noexcept {
  static SystemFiles files;
  return files;
}

}  // namespace heed
