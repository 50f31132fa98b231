// memory_test.cc -- arena, buffer and the allocator seam.
#include "core/memory.h"

#include <gtest/gtest.h>

namespace heed {
namespace {

struct FailingAllocator final : Allocator {
  void* allocate(std::size_t) noexcept override { return nullptr; }
  void release(void*, std::size_t) noexcept override {}
};

TEST(Memory, OutOfMemoryIsAnAnswer) {
  FailingAllocator none;
  const auto b = Buffer::make(100, none);
  ASSERT_FALSE(b);
  EXPECT_EQ(b.error().code, Code::out_of_memory);
}

TEST(Memory, ArenaAlignsRewindsAndRefuses) {
  auto a = Arena::make(1024);
  ASSERT_TRUE(a);
  auto* x = a->allocate_array<float>(3);
  auto* y = a->allocate_array<float>(3);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(y) % 64, 0u);
  EXPECT_NE(x, y);
  const auto mark = a->mark();
  EXPECT_EQ(a->allocate(4096), nullptr);
  EXPECT_EQ(a->mark(), mark);
  a->reset();
  EXPECT_EQ(a->allocate_array<float>(1), x);
}

}  // namespace
}  // namespace heed
