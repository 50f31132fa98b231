// file_cache.cc -- a file is its content, then a check sum for every MiB of it, then the content's length.
#include "core/file_cache.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>

#include "core/checksum.h"
#include "core/file_lock.h"

namespace heed {
namespace {

constexpr std::size_t kBlockBytes = std::size_t{1} << 20;
constexpr const char* kPartial = ".partial";
constexpr const char* kNote = ".note";
constexpr std::int64_t kSpareBytes = std::int64_t{64} << 20;  // left to others on the file system
constexpr std::int64_t kSettledNs = 2'000'000'000;            // the coarsest time stamps in use
constexpr auto kLockPoll = std::chrono::milliseconds(20);
constexpr auto kPatience = std::chrono::seconds(20);  // for another maker that does not get on
constexpr std::size_t kMaxNoteBytes = 4096;

std::size_t blocks_of(std::size_t content_bytes) { return (content_bytes + kBlockBytes - 1) / kBlockBytes; }
std::size_t seal_bytes(std::size_t content_bytes) { return (blocks_of(content_bytes) + 1) * sizeof(std::uint64_t); }

std::uint64_t word_at(std::span<const std::byte> bytes, std::size_t at) {
  std::uint64_t word;
  std::memcpy(&word, bytes.data() + at, sizeof word);
  return word;
}

std::int64_t now_ns() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

/// Passes bytes on and sums every block of them.
class SealedOutput final : public OutputFile {
 public:
  explicit SealedOutput(OutputFile& under) : under_(under) {}

  Expected<void> write(std::span<const std::byte> bytes) override {
    HEED_TRY(under_.write(bytes));
    total_ += bytes.size();
    while (!bytes.empty()) {
      const auto part = bytes.first(std::min(bytes.size(), kBlockBytes - block_.size()));
      block_.insert(block_.end(), part.begin(), part.end());
      if (block_.size() == kBlockBytes) end_block();
      bytes = bytes.subspan(part.size());
    }
    return {};
  }

  Expected<void> sync() override { return under_.sync(); }

  Expected<void> finish() {
    if (!block_.empty()) end_block();
    sums_.push_back(total_);
    HEED_TRY(under_.write(std::as_bytes(std::span(sums_))));
    return sync();
  }

  std::size_t total() const noexcept { return total_; }

 private:
  void end_block() {
    sums_.push_back(checksum(block_));
    block_.clear();
  }

  OutputFile& under_;
  std::vector<std::byte> block_;
  std::vector<std::uint64_t> sums_;
  std::size_t total_ = 0;
};

/// The content, when its length and every sum are right.
Expected<std::span<const std::byte>> unseal(std::span<const std::byte> bytes, ThreadPool& pool) {
  const auto damaged = [] { return fail(Code::malformed, "file cache: damaged"); };
  if (bytes.size() < sizeof(std::uint64_t)) return damaged();
  const std::uint64_t length = word_at(bytes, bytes.size() - sizeof(std::uint64_t));
  if (length > bytes.size()) return damaged();
  const auto content = bytes.first(static_cast<std::size_t>(length));
  if (bytes.size() - content.size() != seal_bytes(content.size())) return damaged();
  std::atomic<bool> is_whole{true};
  const auto blocks = static_cast<std::int64_t>(blocks_of(content.size()));
  pool.parallel_for(blocks, 1, [&](std::int64_t begin, std::int64_t end, int) {
    for (auto block = static_cast<std::size_t>(begin); is_whole && block < static_cast<std::size_t>(end); ++block) {
      const std::size_t at = block * kBlockBytes;
      const auto part = content.subspan(at, std::min(kBlockBytes, content.size() - at));
      if (checksum(part) != word_at(bytes, content.size() + block * sizeof(std::uint64_t))) is_whole = false;
    }
  });
  if (!is_whole) return damaged();
  return content;
}

std::string note_name(const FileIdentity& file) {
  std::string name;
  for (const std::uint64_t part :
       {file.device, file.inode, static_cast<std::uint64_t>(file.bytes), static_cast<std::uint64_t>(file.modified_ns),
        static_cast<std::uint64_t>(file.changed_ns)})
    name += std::to_string(part) + "-";
  name.back() = kNote[0];
  return name + (kNote + 1);
}

bool is_entry(const std::string& name) {
  return !name.starts_with('.') && !name.ends_with(kPartial) && !name.ends_with(kNote);
}

}  // namespace

FileCache::FileCache(std::string directory, std::int64_t limit_bytes, FileLayer& files)
    : directory_(std::move(directory)), limit_bytes_(limit_bytes), files_(&files) {}

Expected<CachedFile> FileCache::open(const std::string& name, const CachedFileMaker& maker, ThreadPool& pool) {
  CachedFile out;
  HEED_ASSIGN(out.file, files_->map(path_of(name)));
  out.file.read_ahead();
  HEED_ASSIGN(out.content, unseal(out.file.bytes(), pool));
  if (static_cast<std::int64_t>(out.content.size()) != maker.bytes || !maker.is_fit(out.content))
    return fail(Code::malformed, "file cache: " + name + " is not what its name says");
  const auto touched = files_->touch(path_of(name));  // a directory that may only be read: its owner prunes it
  static_cast<void>(touched);
  return out;
}

Expected<CachedFile> FileCache::open_or_make(const std::string& name, const CachedFileMaker& maker, ThreadPool& pool) {
  std::int64_t came = -1;
  auto last_step = std::chrono::steady_clock::now();
  for (;;) {
    if (auto there = open(name, maker, pool)) return there;
    HEED_TRY(files_->make_directories(directory_));
    HEED_ASSIGN(const auto lock, FileLock::try_lock(lock_of(name)));
    if (lock) {
      if (auto there = open(name, maker, pool)) return there;  // the last holder made it
      HEED_TRY(make(name, maker));
      return open(name, maker, pool);
    }
    const auto size = files_->size(path_of(name) + kPartial);
    const auto now = std::chrono::steady_clock::now();
    if (size && *size != came) came = *size, last_step = now;
    if (now - last_step > kPatience)
      return fail(Code::busy, "file cache: another process makes " + name + " and does not get on");
    std::this_thread::sleep_for(kLockPoll);
  }
}

Expected<void> FileCache::make_room(const std::string& name, std::int64_t bytes) {
  if (bytes > limit_bytes_)
    return fail(Code::too_long, "file cache: " + name + " needs " + std::to_string(bytes) + " bytes, the limit is " +
                                    std::to_string(limit_bytes_));
  HEED_ASSIGN(const std::int64_t freed, prune(limit_bytes_ - bytes));
  static_cast<void>(freed);
  HEED_ASSIGN(const std::int64_t free, files_->free_bytes(directory_));
  if (free >= bytes + kSpareBytes) return {};
  return fail(Code::io, "file cache: " + directory_ + ": " + std::to_string(bytes) + " bytes are needed, " +
                            std::to_string(free) + " are free");
}

Expected<void> FileCache::make(const std::string& name, const CachedFileMaker& maker) {
  const std::string partial = path_of(name) + kPartial;
  const auto seal = static_cast<std::int64_t>(seal_bytes(static_cast<std::size_t>(maker.bytes)));
  HEED_TRY(make_room(name, maker.bytes + seal));
  const auto write = [&]() -> Expected<void> {
    HEED_ASSIGN(const auto file, files_->create(partial, WriteMode::truncate));
    SealedOutput sealed(*file);
    HEED_TRY(maker.write(sealed));
    if (static_cast<std::int64_t>(sealed.total()) != maker.bytes)
      return fail(Code::internal, "file cache: " + name + ": expected " + std::to_string(maker.bytes) + " bytes, got " +
                                      std::to_string(sealed.total()));
    HEED_TRY(sealed.finish());
    return files_->rename(partial, path_of(name));
  };
  auto written = write();
  if (written) return written;
  const auto removed = files_->remove(partial);  // the first error is the one to tell
  static_cast<void>(removed);
  return written;
}

void FileCache::note(const FileIdentity& other, const std::string& name) {
  if (now_ns() - std::max(other.changed_ns, other.modified_ns) < kSettledNs) return;
  const auto file = files_->create(path_of(note_name(other)), WriteMode::truncate);
  if (!file) return;  // the next start finds out again
  const std::string text = name + "\n";
  const auto written = (*file)->write(std::as_bytes(std::span(text)));
  static_cast<void>(written);
}

std::optional<std::string> FileCache::noted(const FileIdentity& other) const {
  const auto bytes = files_->read(path_of(note_name(other)), kMaxNoteBytes);
  if (!bytes || bytes->empty() || bytes->back() != std::byte{'\n'}) return std::nullopt;  // half written
  std::string name(reinterpret_cast<const char*>(bytes->data()), bytes->size() - 1);
  if (name.empty() || !is_entry(name) || name.find('/') != std::string::npos) return std::nullopt;
  return name;
}

Expected<std::vector<FileCache::Entry>> FileCache::list() const {
  const auto names = files_->list(directory_);
  if (!names && names.error().code == Code::not_found) return std::vector<Entry>();
  if (!names) return names.error();
  std::vector<Entry> entries;
  for (const std::string& name : *names) {
    const auto file = files_->identity(path_of(name));
    if (file && is_entry(name)) entries.push_back({name, file->bytes, file->modified_ns});
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.used_ns > b.used_ns; });
  return entries;
}

std::int64_t FileCache::remove_leftovers(const std::vector<std::string>& names) {
  std::int64_t freed = 0;
  const auto remove = [&](const std::string& name) {
    const auto bytes = files_->size(path_of(name));
    if (files_->remove(path_of(name)) && bytes) freed += *bytes;
  };
  for (const std::string& name : names) {
    if (name.ends_with(kPartial)) {  // unless its maker is at work
      const auto lock = FileLock::try_lock(lock_of(name.substr(0, name.size() - std::strlen(kPartial))));
      if (lock && *lock) remove(name);
      continue;
    }
    if (!name.ends_with(kNote)) continue;
    const auto text = files_->read(path_of(name), kMaxNoteBytes);
    const std::string target(text ? reinterpret_cast<const char*>(text->data()) : "", text ? text->size() : 0);
    const auto is_target = [&](const std::string& other) { return other + "\n" == target; };
    if (std::none_of(names.begin(), names.end(), is_target)) remove(name);
  }
  return freed;
}

Expected<std::int64_t> FileCache::prune(std::int64_t limit_bytes) {
  HEED_ASSIGN(const std::vector<Entry> entries, list());
  std::int64_t kept = 0, freed = 0;
  for (const Entry& entry : entries) {
    if (kept + entry.bytes <= limit_bytes) {
      kept += entry.bytes;
      continue;
    }
    if (files_->remove(path_of(entry.name))) freed += entry.bytes;  // else another process was quicker
  }
  const auto names = files_->list(directory_);
  return names ? freed + remove_leftovers(*names) : freed;
}

}  // namespace heed
