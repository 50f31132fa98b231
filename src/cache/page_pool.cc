// page_pool.cc -- equal pages in one block of memory, reference-counted.
#include <algorithm>
#include <cassert>
#include <cstring>

#include "cache/kv_cache.h"
#include "kernels/page_bounds.h"

namespace heed {

Expected<PagePool> PagePool::make(std::vector<KvLayerSpec> layers, DType dtype, std::int32_t pages,
                                  Allocator& allocator) {
  if (!is_kv_dtype(dtype))
    return fail(Code::unsupported,
                std::string("page pool: keys and values are ") + kKvDtypes + ", got " + std::string(info(dtype).name),
                "dtype");
  if (pages < 1)
    return fail(Code::invalid_argument, "page pool: at least one page is needed, got " + std::to_string(pages),
                "pages");
  PagePool pool;
  pool.dtype_ = dtype;
  std::int64_t summaries = 0;
  for (const KvLayerSpec& spec : layers) {
    if (spec.k_dim > kMostHeadDim || spec.v_dim > kMostHeadDim)
      return fail(Code::unsupported,
                  "page pool: head sizes are at most " + std::to_string(kMostHeadDim) + ", got " +
                      std::to_string(std::max(spec.k_dim, spec.v_dim)),
                  "k_dim");
    const std::int64_t k_bytes = spec.kv_heads * kv_head_bytes(key_dtype(dtype), spec.k_dim);
    const std::int64_t v_bytes = spec.kv_heads * kv_head_bytes(dtype, spec.v_dim);
    pool.layers_.push_back({spec, pool.page_bytes_, pool.page_bytes_ + k_bytes, summaries, pool.state_floats_});
    pool.state_floats_ += spec.state_floats;
    pool.page_bytes_ += k_bytes + v_bytes;
    summaries += std::int64_t{pages} * spec.kv_heads * 2 * spec.k_dim;
  }
  HEED_ASSIGN(pool.memory_,
              Buffer::make(static_cast<std::size_t>(pool.page_bytes_) * static_cast<std::size_t>(pages), allocator));
  HEED_ASSIGN(pool.summaries_, Buffer::make(static_cast<std::size_t>(summaries) * sizeof(float), allocator));
  pool.refs_.assign(static_cast<std::size_t>(pages), 0);
  pool.free_.reserve(static_cast<std::size_t>(pages));
  for (std::int32_t p = pages; p-- > 0;) pool.free_.push_back(p);  // page 0 is taken first
  return pool;
}

PagePool::PagePool(PagePool&& o) noexcept
    : memory_(std::move(o.memory_)),
      summaries_(std::move(o.summaries_)),
      layers_(std::move(o.layers_)),
      refs_(std::move(o.refs_)),
      free_(std::move(o.free_)),
      page_bytes_(o.page_bytes_),
      state_floats_(o.state_floats_),
      dtype_(o.dtype_) {}

PagePool& PagePool::operator=(PagePool&& o) noexcept {
  memory_ = std::move(o.memory_);
  summaries_ = std::move(o.summaries_);
  layers_ = std::move(o.layers_);
  refs_ = std::move(o.refs_);
  free_ = std::move(o.free_);
  page_bytes_ = o.page_bytes_;
  state_floats_ = o.state_floats_;
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

std::int64_t PagePool::state_offset(std::int32_t layer) const noexcept {
  return layers_[static_cast<std::size_t>(layer)].state;
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

const float* PagePool::summary(std::int32_t layer, std::int32_t page, std::int32_t kv_head) const noexcept {
  const Layer& l = layers_[static_cast<std::size_t>(layer)];
  return reinterpret_cast<const float*>(summaries_.data()) + l.summaries +
         (std::int64_t{page} * l.spec.kv_heads + kv_head) * 2 * l.spec.k_dim;
}

void PagePool::summarize(std::int32_t layer, std::span<const std::int32_t> pages, std::int32_t first, std::int32_t n,
                         ThreadPool& threads) noexcept {
  const std::int32_t begin = first / kPageTokens, end = (first + n) / kPageTokens;
  const KvView keys = view(layer, pages, end * kPageTokens);
  threads.parallel_for(std::int64_t{end - begin} * keys.kv_heads, 1, [&](std::int64_t from, std::int64_t to, int) {
    for (std::int64_t i = from; i < to; ++i) {
      const auto page = begin + static_cast<std::int32_t>(i / keys.kv_heads);
      const auto head = static_cast<std::int32_t>(i % keys.kv_heads);
      const float* place = summary(layer, pages[static_cast<std::size_t>(page)], head);
      page_bounds(keys, page, head, const_cast<float*>(place));
    }
  });
}

}  // namespace heed
