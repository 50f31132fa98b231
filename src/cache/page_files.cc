// page_files.cc -- a header before each page names it and holds its check sum; a rename makes it appear.
#include "cache/page_files.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "core/checksum.h"

namespace heed {
namespace {

constexpr std::uint64_t kMagic = 0x65676170'64656568u;  // "heedpage" in a little-endian file
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kNameBytes = 64;
constexpr std::int64_t kAbandonedNs = std::int64_t{600} * 1'000'000'000;  // a writer takes no longer
constexpr std::int64_t kSpareBytes = std::int64_t{1} << 30;               // of the file system stay free

struct Header {
  std::uint64_t magic = kMagic;
  std::uint32_t version = kVersion, reserved = 0;
  std::uint64_t bytes = 0, sum = 0;
  char name[kNameBytes] = {};
};
static_assert(sizeof(Header) == 96);

bool is_name(const std::string& name) {
  return name.size() == kNameBytes &&
         std::all_of(name.begin(), name.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

Header header_of(const std::string& name, std::span<const std::byte> page) {
  Header h;
  h.bytes = page.size();
  h.sum = checksum(page);
  std::memcpy(h.name, name.data(), kNameBytes);
  return h;
}

std::int64_t unix_ns() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(since).count();
}

}  // namespace

Expected<std::unique_ptr<PageFiles>> PageFiles::open(std::string directory, std::int64_t limit_bytes,
                                                     FileLayer& files) {
  HEED_TRY(files.make_directories(directory));
  HEED_ASSIGN(const std::vector<std::string> names, files.list(directory));
  std::unique_ptr<PageFiles> made(new PageFiles(std::move(directory), limit_bytes, files));
  made->learn(names);
  {
    std::unique_lock lock(made->mutex_);
    made->make_room(lock, 0);
  }
  made->writer_ = std::thread([self = made.get()] { self->write_all(); });
  return made;
}

PageFiles::~PageFiles() {
  {
    const std::scoped_lock lock(mutex_);
    is_stopping_ = true;
  }
  has_waiting_.notify_all();
  if (writer_.joinable()) writer_.join();
}

void PageFiles::learn(const std::vector<std::string>& names) {
  std::vector<std::pair<std::int64_t, Entry>> found;
  for (const std::string& name : names) {
    const auto identity = files_->identity(path_of(name));
    if (!identity) continue;
    if (is_name(name)) found.push_back({identity->modified_ns, {name, identity->bytes}});
    const bool is_abandoned = name.starts_with(".") && identity->modified_ns < unix_ns() - kAbandonedNs;
    if (is_abandoned) (void)files_->remove(path_of(name));
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  for (auto& [used, entry] : found) {
    stats_.bytes += entry.bytes;
    ++stats_.pages;
    entries_.push_back(std::move(entry));
    by_name_[entries_.back().name] = std::prev(entries_.end());
  }
}

bool PageFiles::has(const std::string& name) const {
  const std::scoped_lock lock(mutex_);
  return by_name_.contains(name);
}

void PageFiles::forget(const std::string& name) {
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) return;
  stats_.bytes -= found->second->bytes;
  --stats_.pages;
  entries_.erase(found->second);
  by_name_.erase(found);
}

bool PageFiles::read(const std::string& name, std::span<std::byte> page) {
  {
    const std::scoped_lock lock(mutex_);
    const auto found = by_name_.find(name);
    if (found == by_name_.end()) return false;
    entries_.splice(entries_.begin(), entries_, found->second);
  }
  const auto file = files_->map(path_of(name));
  bool is_right = file && file->bytes().size() == sizeof(Header) + page.size();
  if (is_right) {
    const std::span<const std::byte> content = file->bytes().subspan(sizeof(Header));
    const Header want = header_of(name, content);
    is_right = std::memcmp(file->bytes().data(), &want, sizeof want) == 0;
    if (is_right) std::memcpy(page.data(), content.data(), page.size());
  }
  if (is_right) (void)files_->touch(path_of(name));
  if (!is_right && file) (void)files_->remove(path_of(name));
  const std::scoped_lock lock(mutex_);
  stats_.read += is_right ? 1 : 0;
  if (is_right) return true;
  stats_.damaged += file ? 1 : 0;
  forget(name);
  return false;
}

void PageFiles::keep(const std::string& name, std::span<const std::byte> page) {
  const auto bytes = static_cast<std::int64_t>(sizeof(Header) + page.size());
  {
    const std::scoped_lock lock(mutex_);
    if (!is_name(name) || by_name_.contains(name) || queued_.contains(name)) return;
    if (bytes > limit_bytes_ || waiting_bytes_ + bytes > kQueueBytes) {
      ++stats_.dropped;
      return;
    }
    waiting_bytes_ += bytes;
    queued_.insert(name);
  }
  const Header header = header_of(name, page);
  std::vector<std::byte> file(static_cast<std::size_t>(bytes));
  std::memcpy(file.data(), &header, sizeof header);
  std::memcpy(file.data() + sizeof header, page.data(), page.size());
  const std::scoped_lock lock(mutex_);
  waiting_.push_back({name, std::move(file)});
  has_waiting_.notify_one();
}

/// Removes files until `bytes` more fit. Lets go of the lock while it does.
void PageFiles::make_room(std::unique_lock<std::mutex>& lock, std::int64_t bytes) {
  while (!entries_.empty() && stats_.bytes + bytes > limit_bytes_) {
    const std::string name = entries_.back().name;
    forget(name);
    lock.unlock();
    (void)files_->remove(path_of(name));
    lock.lock();
  }
}

bool PageFiles::write(const Waiting& page) {
  const auto bytes = static_cast<std::int64_t>(page.file.size());
  const auto spare = files_->free_bytes(directory_);
  if (!spare || *spare < bytes + kSpareBytes) return false;
  const std::string unfinished = directory_ + "/." + page.name + "." + std::to_string(getpid());
  const auto written = [&]() -> Expected<void> {
    HEED_ASSIGN(auto out, files_->create(unfinished, WriteMode::truncate));
    return out->write(page.file);
  }();
  // Not synced: after a power failure the check sum tells, and the page is computed again.
  if (written && files_->rename(unfinished, path_of(page.name))) return true;
  (void)files_->remove(unfinished);
  return false;
}

void PageFiles::write_all() {
  std::unique_lock lock(mutex_);
  for (;;) {
    has_waiting_.wait(lock, [&] { return is_stopping_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const Waiting page = std::move(waiting_.front());
    waiting_.pop_front();
    const auto bytes = static_cast<std::int64_t>(page.file.size());
    make_room(lock, bytes);
    lock.unlock();
    const bool is_written = write(page);
    lock.lock();
    waiting_bytes_ -= bytes;
    queued_.erase(page.name);
    if (is_written) {
      entries_.push_front({page.name, bytes});
      by_name_[page.name] = entries_.begin();
      stats_.bytes += bytes;
      ++stats_.pages;
    }
    ++(is_written ? stats_.written : stats_.dropped);
    has_written_.notify_all();
  }
}

void PageFiles::flush() {
  std::unique_lock lock(mutex_);
  has_written_.wait(lock, [&] { return queued_.empty(); });
}

PageFiles::Stats PageFiles::stats() const {
  const std::scoped_lock lock(mutex_);
  return stats_;
}

}  // namespace heed
