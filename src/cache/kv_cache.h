// kv_cache.h -- page tables over one page pool: the keys and values of every running sequence.
#pragma once
#include <cstdint>
#include <mutex>
#include <vector>

#include "core/memory.h"
#include "kernels/attention.h"

namespace heed {

/// What one layer stores per token.
struct KvLayerSpec {
  std::int32_t kv_heads = 1, k_dim = 0, v_dim = 0;
};

/// Fixed number of equal pages (64 tokens, all layers). Reference-counted: pages may be shared by sequences.
class PagePool {
 public:
  static Expected<PagePool> make(std::vector<KvLayerSpec> layers, DType dtype, std::int32_t pages,
                                 Allocator& allocator = system_allocator());
  PagePool(PagePool&&) noexcept;
  PagePool& operator=(PagePool&&) noexcept;

  Expected<std::int32_t> take();  // reference count 1; `busy` when none is free
  void retain(std::int32_t page) noexcept;
  void release(std::int32_t page) noexcept;
  std::int32_t references(std::int32_t page) const noexcept;
  std::int32_t free_pages() const noexcept;
  std::int32_t total_pages() const noexcept { return static_cast<std::int32_t>(refs_.size()); }
  std::int64_t page_bytes() const noexcept { return page_bytes_; }
  void copy(std::int32_t from, std::int32_t to) noexcept;

  /// The view of layer `layer` over the page table of one sequence.
  KvView view(std::int32_t layer, std::span<const std::int32_t> pages, std::int32_t length) noexcept;

 private:
  PagePool() = default;
  struct Layer {
    KvLayerSpec spec;
    std::int64_t k_offset, v_offset;
  };
  Buffer memory_;
  std::vector<Layer> layers_;
  std::vector<std::int32_t> refs_, free_;
  std::int64_t page_bytes_ = 0;
  DType dtype_ = DType::bf16;
  mutable std::mutex mutex_;
};

/// The page table of one sequence. Move-only; returns its pages when it dies. The pool must outlive it.
class KvCache {
 public:
  explicit KvCache(PagePool& pool) noexcept : pool_(&pool) {}
  KvCache(KvCache&& o) noexcept;
  KvCache& operator=(KvCache&& o) noexcept;
  ~KvCache();

  /// Makes room for `tokens` in all; pages that would be written and are shared are copied first (copy-on-write).
  /// On error nothing changed.
  Expected<void> reserve(std::int32_t tokens);
  void advance(std::int32_t tokens) noexcept { length_ += tokens; }
  /// Keeps the first `tokens`; pages beyond go back to the pool.
  void truncate(std::int32_t tokens) noexcept;
  /// A second table over the same pages (copy-on-write).
  KvCache fork() const;

  std::int32_t length() const noexcept { return length_; }
  std::span<const std::int32_t> pages() const noexcept { return pages_; }
  PagePool& pool() const noexcept { return *pool_; }

 private:
  PagePool* pool_;
  std::vector<std::int32_t> pages_;
  std::int32_t length_ = 0;
};

}  // namespace heed
