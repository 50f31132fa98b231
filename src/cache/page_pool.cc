// page_pool.cc -- equal pages in one block of memory, reference-counted.
#include <cassert>
#include <cstring>

#include "cache/kv_cache.h"

namespace heed {

Expected<PagePool> PagePool::make(std::vector<KvLayerSpec> layers, DType dtype, std::int32_t pages,
                                  Allocator& allocator) {
  if (!is_kv_dtype(dtype))
    return fail(Code::unsupported,
                "page pool: keys and values are f32, f16 or bf16, got " + std::string(info(dtype).name), "dtype");
  if (pages < 1)
    return fail(Code::invalid_argument, "page pool: at least one page is needed, got " + std::to_string(pages),
                "pages");
  PagePool pool;
  pool.dtype_ = dtype;
  for (const KvLayerSpec& spec : layers) {
    const std::int64_t k_bytes = row_bytes(dtype, std::int64_t{kPageTokens} * spec.kv_heads * spec.k_dim);
    const std::int64_t v_bytes = row_bytes(dtype, std::int64_t{kPageTokens} * spec.kv_heads * spec.v_dim);
    pool.layers_.push_back({spec, pool.page_bytes_, pool.page_bytes_ + k_bytes});
    pool.page_bytes_ += k_bytes + v_bytes;
  }
  HEED_ASSIGN(pool.memory_,
              Buffer::make(static_cast<std::size_t>(pool.page_bytes_) * static_cast<std::size_t>(pages), allocator));
  pool.refs_.assign(static_cast<std::size_t>(pages), 0);
  pool.free_.reserve(static_cast<std::size_t>(pages));
  for (std::int32_t p = pages; p-- > 0;) pool.free_.push_back(p);  // page 0 is taken first
  return pool;
}

PagePool::PagePool(PagePool&& o) noexcept
    : memory_(std::move(o.memory_)),
      layers_(std::move(o.layers_)),
      refs_(std::move(o.refs_)),
      free_(std::move(o.free_)),
      page_bytes_(o.page_bytes_),
      dtype_(o.dtype_) {}

PagePool& PagePool::operator=(PagePool&& o) noexcept {
  memory_ = std::move(o.memory_);
  layers_ = std::move(o.layers_);
  refs_ = std::move(o.refs_);
  free_ = std::move(o.free_);
  page_bytes_ = o.page_bytes_;
  dtype_ = o.dtype_;
  return *this;
}

Expected<std::int32_t> PagePool::take() {
  const std::lock_guard lock(mutex_);
  if (free_.empty()) return fail(Code::busy, "page pool: all " + std::to_string(refs_.size()) + " pages are in use");
  const std::int32_t page = free_.back();
  free_.pop_back();
  refs_[static_cast<std::size_t>(page)] = 1;
  return page;
}

void PagePool::retain(std::int32_t page) noexcept {
  const std::lock_guard lock(mutex_);
  assert(refs_[static_cast<std::size_t>(page)] > 0);
  ++refs_[static_cast<std::size_t>(page)];
}

void PagePool::release(std::int32_t page) noexcept {
  const std::lock_guard lock(mutex_);
  assert(refs_[static_cast<std::size_t>(page)] > 0);
  if (--refs_[static_cast<std::size_t>(page)] == 0) free_.push_back(page);  // never grows beyond what make() reserved
}

std::int32_t PagePool::references(std::int32_t page) const noexcept {
  const std::lock_guard lock(mutex_);
  return refs_[static_cast<std::size_t>(page)];
}

std::int32_t PagePool::free_pages() const noexcept {
  const std::lock_guard lock(mutex_);
  return static_cast<std::int32_t>(free_.size());
}

void PagePool::copy(std::int32_t from, std::int32_t to) noexcept {
  std::memcpy(memory_.data() + to * page_bytes_, memory_.data() + from * page_bytes_,
              static_cast<std::size_t>(page_bytes_));
}

KvView PagePool::view(std::int32_t layer, std::span<const std::int32_t> pages, std::int32_t length) noexcept {
  const Layer& l = layers_[static_cast<std::size_t>(layer)];
  return {.base = memory_.data(),
          .page_stride = page_bytes_,
          .k_offset = l.k_offset,
          .v_offset = l.v_offset,
          .pages = pages,
          .dtype = dtype_,
          .length = length,
          .kv_heads = l.spec.kv_heads,
          .k_dim = l.spec.k_dim,
          .v_dim = l.spec.v_dim};
}

}  // namespace heed
