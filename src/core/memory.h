// memory.h -- where big memory comes from. A seam: tests fail the n-th allocation.
#pragma once
#include <cstddef>
#include <memory>
#include <utility>

#include "core/expected.h"

namespace heed {

class Allocator {
 public:
  virtual ~Allocator() = default;
  /// `bytes` > 0, aligned to at least 64 (2 MiB for large blocks), zeroed. nullptr when memory is short.
  virtual void* allocate(std::size_t bytes) noexcept = 0;
  virtual void release(void* p, std::size_t bytes) noexcept = 0;
};

/// Anonymous mappings with transparent huge pages asked for. Lives as long as the program.
Allocator& system_allocator() noexcept;

/// An owned, aligned, zeroed block. Move-only.
class Buffer {
 public:
  Buffer() = default;
  static Expected<Buffer> make(std::size_t bytes, Allocator& allocator = system_allocator());
  Buffer(Buffer&& o) noexcept { swap(o); }
  Buffer& operator=(Buffer&& o) noexcept {
    swap(o);
    return *this;
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() {
    if (data_) allocator_->release(data_, bytes_);
  }

  std::byte* data() noexcept { return static_cast<std::byte*>(data_); }
  const std::byte* data() const noexcept { return static_cast<const std::byte*>(data_); }
  std::size_t size() const noexcept { return bytes_; }

 private:
  void swap(Buffer& o) noexcept {
    std::swap(data_, o.data_);
    std::swap(bytes_, o.bytes_);
    std::swap(allocator_, o.allocator_);
  }
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
  Allocator* allocator_ = nullptr;
};

/// Bump allocator for one step's activations: reset, never freed piecewise. Growth happens in `reserve` only, so a
/// warmed step allocates nothing. Not thread-safe: filled by the thread that drives the step.
class Arena {
 public:
  static Expected<Arena> make(std::size_t bytes, Allocator& allocator = system_allocator());
  /// 64-byte aligned, not zeroed. nullptr when the arena is full (a sizing bug of the caller or a too large batch).
  void* allocate(std::size_t bytes) noexcept {
    const std::size_t at = (used_ + 63) & ~std::size_t{63};
    if (at + bytes > buffer_.size()) return nullptr;
    used_ = at + bytes;
    if (used_ > peak_) peak_ = used_;
    return buffer_.data() + at;
  }
  template <class T>
  T* allocate_array(std::size_t n) noexcept {
    return static_cast<T*>(allocate(n * sizeof(T)));
  }
  void reset() noexcept { used_ = 0; }
  std::size_t mark() const noexcept { return used_; }
  void rewind(std::size_t mark) noexcept { used_ = mark; }
  std::size_t capacity() const noexcept { return buffer_.size(); }
  std::size_t peak() const noexcept { return peak_; }

 private:
  Buffer buffer_;
  std::size_t used_ = 0, peak_ = 0;
};

}  // namespace heed
