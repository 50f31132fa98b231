// counted_bytes.h -- counts the bytes that the test program which includes it, in one of its files, has from new.
#pragma once
#include <malloc.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace {
std::atomic<std::int64_t> live_bytes{0}, peak_bytes{0};

void* counted(void* p) {
  if (p == nullptr) throw std::bad_alloc();
  const std::int64_t live = live_bytes += static_cast<std::int64_t>(::malloc_usable_size(p));
  std::int64_t peak = peak_bytes;
  while (live > peak && !peak_bytes.compare_exchange_weak(peak, live)) {
  }
  return p;
}

void uncounted(void* p) noexcept {
  if (p == nullptr) return;
  live_bytes -= static_cast<std::int64_t>(::malloc_usable_size(p));
  std::free(p);
}

/// The most that `work` had at once beyond what there was.
template <class Work>
std::int64_t peak_of(const Work& work) {
  const std::int64_t before = live_bytes;
  peak_bytes = before;
  work();
  return peak_bytes - before;
}
}  // namespace

#pragma GCC diagnostic ignored "-Wmismatched-new-delete"  // under sanitizers GCC 12 inlines half of each pair
void* operator new(std::size_t n) { return counted(std::malloc(n == 0 ? 1 : n)); }
void* operator new[](std::size_t n) { return counted(std::malloc(n == 0 ? 1 : n)); }
void* operator new(std::size_t n, std::align_val_t to) {
  const auto align = static_cast<std::size_t>(to);
  return counted(std::aligned_alloc(align, (n + align) / align * align));
}
void operator delete(void* p) noexcept { uncounted(p); }
void operator delete[](void* p) noexcept { uncounted(p); }
void operator delete(void* p, std::size_t) noexcept { uncounted(p); }
void operator delete[](void* p, std::size_t) noexcept { uncounted(p); }
void operator delete(void* p, std::align_val_t) noexcept { uncounted(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { uncounted(p); }
