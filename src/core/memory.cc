// memory.cc -- anonymous mappings behind the allocator seam.
#include "core/memory.h"

#include <sys/mman.h>

#include <cstdint>

namespace heed {
namespace {

class SystemAllocator final : public Allocator {
 public:
  void* allocate(std::size_t bytes) noexcept override {
    void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return nullptr;
    constexpr std::size_t kHugePage = std::size_t{2} << 20;
    if (bytes >= 4 * kHugePage) madvise(p, bytes, MADV_HUGEPAGE);
    return p;
  }
  void release(void* p, std::size_t bytes) noexcept override { munmap(p, bytes); }
};

}  // namespace

Allocator& system_allocator() noexcept {
  static SystemAllocator allocator;
  return allocator;
}

Expected<Buffer> Buffer::make(std::size_t bytes, Allocator& allocator) {
  Buffer b;
  if (bytes == 0) return b;
  b.data_ = allocator.allocate(bytes);
  if (!b.data_) return fail(Code::out_of_memory, "allocate: no memory for " + std::to_string(bytes) + " bytes");
  b.bytes_ = bytes;
  b.allocator_ = &allocator;
  return b;
}

Expected<Arena> Arena::make(std::size_t bytes, Allocator& allocator) {
  Arena a;
  HEED_ASSIGN(a.buffer_, Buffer::make(bytes, allocator));
  return a;
}

}  // namespace heed
