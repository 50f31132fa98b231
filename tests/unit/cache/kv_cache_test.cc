// kv_cache_test.cc -- page tables against a plain model, and the pool's accounts.
#include "cache/kv_cache.h"

#include <gtest/gtest.h>

#include <random>

namespace heed {
namespace {

constexpr std::int32_t kRowDim = 16;

PagePool make_pool(std::int32_t pages) {
  auto pool = PagePool::make({{1, kRowDim, kRowDim}, {2, kRowDim, kRowDim}}, DType::f32, pages);
  EXPECT_TRUE(pool);
  return std::move(*pool);
}

struct FailingAllocator final : Allocator {
  void* allocate(std::size_t) noexcept override { return nullptr; }
  void release(void*, std::size_t) noexcept override {}
};

// The number stored for a token, at the first key value of layer 0.
float& slot(PagePool& pool, const KvCache& cache, std::int32_t token) {
  const KvView v = pool.view(0, cache.pages(), cache.length());
  auto* page = v.base + v.pages[static_cast<std::size_t>(token / kPageTokens)] * v.page_stride + v.k_offset;
  return reinterpret_cast<float*>(page)[token % kPageTokens];
}

TEST(KvCache, ViewsOfLayersDoNotOverlap) {
  PagePool pool = make_pool(1);
  const KvView a = pool.view(0, {}, 0), b = pool.view(1, {}, 0);
  EXPECT_EQ(a.v_offset, a.k_offset + kPageTokens * kRowDim * 4);
  EXPECT_EQ(b.k_offset, a.v_offset + kPageTokens * kRowDim * 4);
  EXPECT_EQ(pool.page_bytes(), b.v_offset + 2 * kPageTokens * kRowDim * 4);
}

TEST(KvCache, OutOfMemoryAndWrongTypesAreAnswers) {
  FailingAllocator none;
  EXPECT_EQ(PagePool::make({{1, 16, 16}}, DType::bf16, 4, none).error().code, Code::out_of_memory);
  EXPECT_EQ(PagePool::make({{1, 16, 16}}, DType::q4_0, 4).error().code, Code::unsupported);
  EXPECT_EQ(PagePool::make({{1, 16, 16}}, DType::bf16, 0).error().code, Code::invalid_argument);
}

TEST(KvCache, FullPoolChangesNothing) {
  PagePool pool = make_pool(3);
  KvCache a(pool);
  ASSERT_TRUE(a.reserve(2 * kPageTokens));
  a.advance(2 * kPageTokens);
  const auto refused = a.reserve(4 * kPageTokens);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::busy);
  EXPECT_EQ(a.pages().size(), 2u);
  EXPECT_EQ(pool.free_pages(), 1);
}

TEST(KvCache, CopyOnWriteThatCannotCopyChangesNothing) {
  PagePool pool = make_pool(1);
  KvCache a(pool);
  ASSERT_TRUE(a.reserve(5));
  a.advance(5);
  KvCache b = a.fork();
  ASSERT_FALSE(b.reserve(6));
  EXPECT_EQ(a.pages()[0], b.pages()[0]);
  EXPECT_EQ(pool.references(0), 2);
}

// Random appends, truncations, forks and deaths; every cache must always read what its own history wrote.
TEST(KvCache, RandomOperationsAgreeWithAPlainModel) {
  PagePool pool = make_pool(200);
  struct Twin {
    KvCache cache;
    std::vector<float> plain;
  };
  std::vector<Twin> twins;
  std::mt19937 random(1);
  float next = 1;
  for (int step = 0; step < 4000; ++step) {
    const auto what = random() % 10;
    if (twins.empty() || (what == 0 && twins.size() < 6)) {
      twins.push_back({KvCache(pool), {}});
      continue;
    }
    const std::size_t at = random() % twins.size();
    Twin& t = twins[at];
    if (what == 1 && twins.size() < 6) {
      Twin copy{t.cache.fork(), t.plain};
      twins.push_back(std::move(copy));
    } else if (what == 2) {
      twins.erase(twins.begin() + static_cast<std::ptrdiff_t>(at));
    } else if (what == 3) {
      const auto keep = static_cast<std::int32_t>(random() % (t.plain.size() + 1));
      t.cache.truncate(keep);
      t.plain.resize(static_cast<std::size_t>(keep));
    } else {
      const auto n = static_cast<std::int32_t>(random() % 50 + 1);
      if (!t.cache.reserve(t.cache.length() + n)) continue;
      const std::int32_t first = t.cache.length();
      t.cache.advance(n);
      for (std::int32_t i = 0; i < n; ++i) {
        slot(pool, t.cache, first + i) = next;
        t.plain.push_back(next++);
      }
    }
    for (const Twin& other : twins)
      for (std::size_t i = 0; i < other.plain.size(); ++i)
        ASSERT_EQ(slot(pool, other.cache, static_cast<std::int32_t>(i)), other.plain[i]) << step;
  }
  twins.clear();
  EXPECT_EQ(pool.free_pages(), 200);
}

}  // namespace
}  // namespace heed
