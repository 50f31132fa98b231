// kv_cache.h -- page tables over one page pool: the keys and values of every running sequence.
#pragma once
#include <cstdint>
#include <mutex>
#include <vector>

#include "core/memory.h"
#include "core/thread_pool.h"
#include "kernels/attention.h"

namespace heed {

/// What one layer stores per token.
struct KvLayerSpec {
  std::int32_t kv_heads = 1, k_dim = 0, v_dim = 0;
  std::int64_t state_floats = 0;  // > 0: no keys and values, but so many floats a sequence (kernels/linear_attention.h)
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
  DType dtype() const noexcept { return dtype_; }
  void copy(std::int32_t from, std::int32_t to) noexcept;
  /// A page's keys and values, all layers.
  std::span<std::byte> bytes(std::int32_t page) noexcept {
    return {memory_.data() + page * page_bytes_, static_cast<std::size_t>(page_bytes_)};
  }
  std::int64_t state_floats() const noexcept { return state_floats_; }  // of all layers of a sequence
  std::int64_t state_offset(std::int32_t layer) const noexcept;         // floats

  /// The view of layer `layer` over the page table of one sequence.
  KvView view(std::int32_t layer, std::span<const std::int32_t> pages, std::int32_t length) noexcept;

  /// Bounds of the keys of the pages that positions first .. first+n-1 filled (kernels/page_bounds.h), for the choice
  /// of pages. Read from the stored keys of full pages alone, so that truncated and shared pages stay right.
  void summarize(std::int32_t layer, std::span<const std::int32_t> pages, std::int32_t first, std::int32_t n,
                 ThreadPool& threads) noexcept;
  const float* summary(std::int32_t layer, std::int32_t page, std::int32_t kv_head) const noexcept;  // [2 * k_dim]

 private:
  PagePool() = default;
  struct Layer {
    KvLayerSpec spec;
    std::int64_t k_offset, v_offset;
    std::int64_t summaries;  // floats ahead of the layer's [pages, kv_heads, 2 * k_dim]
    std::int64_t state;      // floats ahead of the layer's in a sequence's states
  };
  Buffer memory_;
  Buffer summaries_;  // never touched, so never real memory, unless sequences choose pages
  std::vector<Layer> layers_;
  std::vector<std::int32_t> refs_, free_;
  std::int64_t page_bytes_ = 0, state_floats_ = 0;
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
  /// Keeps the first `tokens`; pages beyond go back to the pool. Layers with a state cannot go back beyond their
  /// current chunk: then everything is dropped, and length() is 0.
  void truncate(std::int32_t tokens) noexcept;
  /// A second table over the same pages (copy-on-write); states are copied. Empty when memory for them is short.
  KvCache fork() const;
  /// The state of a layer that has one; reserve() made it.
  float* state(std::int32_t layer) noexcept {
    return reinterpret_cast<float*>(states_.data()) + pool_->state_offset(layer);
  }

  std::int32_t length() const noexcept { return length_; }
  std::span<const std::int32_t> pages() const noexcept { return pages_; }
  PagePool& pool() const noexcept { return *pool_; }

 private:
  PagePool* pool_;
  std::vector<std::int32_t> pages_;
  Buffer states_;
  std::int32_t length_ = 0;
};

}  // namespace heed
