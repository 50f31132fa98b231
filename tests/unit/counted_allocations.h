// counted_allocations.h -- counts every allocation of the test program that includes it, in one of its files.
#pragma once
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace {
std::atomic<std::int64_t> allocations{0};

void* counted_or_null(std::size_t n) noexcept {
  ++allocations;
  return std::malloc(n == 0 ? 1 : n);
}
void* counted(std::size_t n) {
  void* p = counted_or_null(n);
  if (p == nullptr) throw std::bad_alloc();
  return p;
}
}  // namespace

#pragma GCC diagnostic ignored "-Wmismatched-new-delete"  // under sanitizers GCC 12 inlines half of each pair
void* operator new(std::size_t n) { return counted(n); }
void* operator new[](std::size_t n) { return counted(n); }
void* operator new(std::size_t n, const std::nothrow_t&) noexcept { return counted_or_null(n); }
void* operator new[](std::size_t n, const std::nothrow_t&) noexcept { return counted_or_null(n); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
