// memory_files.h -- several files as one text, and a file layer that has them. A line "==> NAME" begins a file.
#pragma once
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/file.h"

// Bytes behind a file's end, which AddressSanitizer, where there is one, is told not to let pass.
extern "C" {
void __asan_poison_memory_region(const volatile void* begin, std::size_t size) __attribute__((weak));
void __asan_unpoison_memory_region(const volatile void* begin, std::size_t size) __attribute__((weak));
}

namespace heed::fuzz {

using FileTexts = std::map<std::string, std::string, std::less<>>;

inline std::string joined(const FileTexts& files) {
  std::string out;
  for (const auto& [name, text] : files) out += "==> " + name + "\n" + text + "\n";
  return out;
}

inline FileTexts parted(std::string_view bytes) {
  constexpr std::string_view kBegin = "==> ", kNext = "\n==> ";
  FileTexts files;
  if (!bytes.starts_with(kBegin)) return files;
  bytes.remove_prefix(kBegin.size());
  for (bool is_last = false; !is_last;) {
    const std::size_t end = bytes.find(kNext);
    is_last = end == std::string_view::npos;
    std::string_view one = bytes.substr(0, end);
    if (is_last && one.ends_with('\n')) one.remove_suffix(1);
    if (!is_last) bytes.remove_prefix(end + kNext.size());
    const std::size_t line = std::min(one.find('\n'), one.size());
    files.insert_or_assign(std::string(one.substr(0, line)), std::string(one.substr(std::min(line + 1, one.size()))));
  }
  return files;
}

/// Read-only, by path. Outlives what it mapped.
class MemoryFiles final : public FileLayer {
 public:
  explicit MemoryFiles(FileTexts files) : files_(std::move(files)) {}
  ~MemoryFiles() override {
    for (const auto& [begin, size] : tails_) unpoison(begin, size);
  }

  Expected<MappedFile> map(const std::string& path) override {
    HEED_ASSIGN(const std::string* text, find(path));
    if (text->empty()) return MappedFile(nullptr, 0);
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const std::size_t room = (text->size() + page - 1) / page * page;
    void* p = ::mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return fail(Code::out_of_memory, "map: " + path, path);
    unpoison(p, room);
    std::memcpy(p, text->data(), text->size());
    const auto* begin = static_cast<const std::byte*>(p);
    tails_.emplace_back(begin + text->size(), room - text->size());
    if (__asan_poison_memory_region) __asan_poison_memory_region(begin + text->size(), room - text->size());
    return MappedFile(begin, text->size());
  }
  Expected<std::vector<std::byte>> read(const std::string& path, std::size_t max_bytes) override {
    HEED_ASSIGN(const std::string* text, find(path));
    if (text->size() > max_bytes) return fail(Code::too_long, "read: " + path + ": too large", path);
    std::vector<std::byte> out(text->size());
    if (!out.empty()) std::memcpy(out.data(), text->data(), out.size());
    return out;
  }
  Expected<std::int64_t> size(const std::string& path) override {
    HEED_ASSIGN(const std::string* text, find(path));
    return static_cast<std::int64_t>(text->size());
  }
  Expected<FileIdentity> identity(const std::string& path) override {
    HEED_TRY(find(path));
    return FileIdentity{};
  }
  Expected<std::unique_ptr<OutputFile>> create(const std::string&, WriteMode) override { return refused(); }
  Expected<void> rename(const std::string&, const std::string&) override { return refused(); }
  Expected<void> remove(const std::string&) override { return refused(); }
  Expected<void> make_directories(const std::string&) override { return refused(); }
  Expected<std::vector<std::string>> list(const std::string&) override { return refused(); }
  Expected<void> touch(const std::string&) override { return refused(); }
  Expected<std::int64_t> free_bytes(const std::string&) override { return refused(); }

 private:
  static Error refused() { return fail(Code::unsupported, "memory files: not for a reader"); }
  static void unpoison(const void* begin, std::size_t size) {
    if (__asan_unpoison_memory_region) __asan_unpoison_memory_region(begin, size);
  }
  Expected<const std::string*> find(const std::string& path) const {
    const auto it = files_.find(path);
    if (it == files_.end()) return fail(Code::not_found, "open: " + path + ": no such file", path);
    return &it->second;
  }

  FileTexts files_;
  std::vector<std::pair<const std::byte*, std::size_t>> tails_;
};

}  // namespace heed::fuzz
