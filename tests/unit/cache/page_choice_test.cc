// page_choice_test.cc -- summaries bound every key, the choice is the best by them, and it depends on its query alone.
#include "cache/page_choice.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "kernels/kernels.h"
#include "kernels/page_bounds.h"

namespace heed {
namespace {

constexpr std::int32_t kHeads = 6, kKvHeads = 2, kGroup = 3, kDim = 32;

std::vector<float> normals(std::int64_t n, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(static_cast<std::size_t>(n));
  for (float& f : x) f = normal(random);
  return x;
}

// Random keys and queries of `length` tokens in a cache of one layer.
struct Rig {
  explicit Rig(std::int32_t tokens, DType dtype = DType::f32, int threads = 2)
      : length(tokens),
        k(normals(std::int64_t{tokens} * kKvHeads * kDim, 1)),
        q(normals(std::int64_t{tokens} * kHeads * kDim, 2)),
        threads_(threads),
        arena_(std::move(*Arena::make(std::size_t{16} << 20))),
        pool(std::move(*PagePool::make({{1, 16, 16}, {kKvHeads, kDim, kDim}}, dtype, (tokens + 63) / 64 + 3))),
        cache(pool) {
    EXPECT_TRUE(pool.take());  // page numbers differ from places in the sequence
    EXPECT_TRUE(cache.reserve(tokens));
    append(0, tokens);
  }
  Exec exec() { return {threads_, arena_, best_kernels(), counters_}; }

  void append(std::int32_t first, std::int32_t n) {
    Exec e = exec();
    const std::int64_t stride = kKvHeads * kDim;
    append_kv(pool.view(1, cache.pages(), first + n), first, n, k.data() + first * stride, stride,
              k.data() + first * stride, stride, e);
    pool.summarize(1, cache.pages(), first, n, e.pool);
  }
  const BlockList& choose(const AttentionPolicy& policy, std::int32_t first, std::int32_t n) {
    Exec e = exec();
    const auto list = choose_pages(policy,
                                   {.pool = &pool,
                                    .layer = 1,
                                    .pages = cache.pages(),
                                    .q = q.data() + std::int64_t{first} * kHeads * kDim,
                                    .q_stride = kHeads * kDim,
                                    .q_len = n,
                                    .first_pos = first,
                                    .heads = kHeads,
                                    .kv_heads = kKvHeads,
                                    .k_dim = kDim,
                                    .scale = 0.2f},
                                   e);
    EXPECT_TRUE(list);
    return **list;
  }
  void clear() { arena_.reset(); }

  // max over the query heads of (bound - that head's best bound), as the header says, in double.
  std::vector<double> worth(std::int32_t token, std::int32_t kv_head, std::int32_t from, std::int32_t to) const {
    std::vector<double> best(static_cast<std::size_t>(to - from), -HUGE_VAL);
    for (std::int32_t h = 0; h < kGroup; ++h) {
      std::vector<double> bounds;
      for (std::int32_t page = from; page < to; ++page) {
        double bound = 0;
        for (std::int32_t d = 0; d < kDim; ++d) {
          double high = -HUGE_VAL, low = HUGE_VAL;
          for (std::int32_t t = page * 64; t < page * 64 + 64; ++t) {
            const double x = k[static_cast<std::size_t>((t * kKvHeads + kv_head) * kDim + d)];
            high = std::max(high, x), low = std::min(low, x);
          }
          const double x = q[static_cast<std::size_t>((token * kHeads + kv_head * kGroup + h) * kDim + d)];
          bound += 0.2 * std::max(x * high, x * low);
        }
        bounds.push_back(bound);
      }
      const double top = *std::max_element(bounds.begin(), bounds.end());
      for (std::size_t i = 0; i < bounds.size(); ++i) best[i] = std::max(best[i], bounds[i] - top);
    }
    return best;
  }

  std::int32_t length;
  std::vector<float> k, q;

 private:
  ThreadPool threads_;
  Arena arena_;
  Counters counters_;

 public:
  PagePool pool;
  KvCache cache;
};

std::vector<std::int32_t> row(const BlockList& l, std::int32_t position, std::int32_t kv_head) {
  const auto at = static_cast<std::size_t>(l.row(position, kv_head));
  return {l.key_block.begin() + l.row_start[at], l.key_block.begin() + l.row_start[at + 1]};
}

TEST(PageBounds, NoKeyIsWorthMoreThanItsPage) {
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    Rig rig(300, dtype);
    for (std::int32_t page = 0; page < 4; ++page)
      for (std::int32_t head = 0; head < kKvHeads; ++head) {
        const float* bounds = rig.pool.summary(1, rig.cache.pages()[static_cast<std::size_t>(page)], head);
        for (std::int32_t d = 0; d < kDim; ++d) {
          float high = -HUGE_VALF, low = HUGE_VALF;
          for (std::int32_t t = page * 64; t < page * 64 + 64; ++t) {
            const float x = rig.k[static_cast<std::size_t>((t * kKvHeads + head) * kDim + d)];
            high = std::max(high, x), low = std::min(low, x);
          }
          const float slack = dtype == DType::f32 ? 0.0f : dtype == DType::f16 ? 2e-3f : 2e-2f;  // rounding of 1 .. 4
          EXPECT_NEAR(bounds[d], high, slack);
          EXPECT_NEAR(bounds[kDim + d], low, slack);
        }
      }
  }
}

// Integers are bounded as they are stored: every key's product with a query stays below the page's bound.
TEST(PageBounds, BoundRotatedIntegersToo) {
  for (const DType dtype : {DType::i8, DType::i4}) {
    Rig rig(300, dtype);
    for (std::int32_t page = 0; page < 4; ++page)
      for (std::int32_t head = 0; head < kKvHeads; ++head) {
        const float* bounds = rig.pool.summary(1, rig.cache.pages()[static_cast<std::size_t>(page)], head);
        for (std::int32_t t = page * 64; t < page * 64 + 64; ++t) {
          const float* key = rig.k.data() + (t * kKvHeads + head) * kDim;
          const std::int32_t query_row = t * kHeads + head * kGroup;
          const float* q = rig.q.data() + query_row * kDim;
          double plain = 0, bound = 0;
          for (std::int32_t d = 0; d < kDim; ++d) plain += double{q[d]} * double{key[d]};
          for (std::int32_t i = 0; i < kDim; ++i) {
            double x = 0;
            for (std::int32_t d = 0; d < kDim; ++d)
              x += __builtin_parity(static_cast<unsigned>(i & d)) ? -double{q[d]} : double{q[d]};
            bound += std::max(x * double{bounds[i]}, x * double{bounds[kDim + i]}) / kDim;
          }
          EXPECT_LE(plain, bound + 0.5) << t;  // a key's rounding
        }
      }
  }
}

TEST(PageChoice, TakesSinksWindowAndTheBestPagesBetween) {
  Rig rig(64 * 40 + 17);
  const AttentionPolicy policy{AttentionKept::topk_pages, 130, 70, 256};
  const std::int32_t first = 64 * 40 - 20, n = 37;
  const BlockList& list = rig.choose(policy, first, n);
  for (std::int32_t p = first; p < first + n; ++p)
    for (std::int32_t head = 0; head < kKvHeads; ++head) {
      const auto pages = row(list, p, head);
      EXPECT_TRUE(std::is_sorted(pages.begin(), pages.end()));
      const std::int32_t local = (p + 1 - 130) / 64, own = p / 64;
      ASSERT_EQ(pages.size(), static_cast<std::size_t>(2 + 4 + own + 1 - local));
      EXPECT_EQ(pages[0], 0);
      EXPECT_EQ(pages[1], 1);
      for (std::int32_t i = local; i <= own; ++i) EXPECT_EQ(pages[static_cast<std::size_t>(6 + i - local)], i);
      const auto worth = rig.worth(p, head, 2, local);
      auto sorted = worth;
      std::sort(sorted.begin(), sorted.end(), std::greater<>());
      for (std::size_t i = 2; i < 6; ++i) EXPECT_GE(worth[static_cast<std::size_t>(pages[i] - 2)], sorted[3] - 1e-4);
    }
}

TEST(PageChoice, DependsOnTheQueryAlone) {
  Rig rig(64 * 30);
  const AttentionPolicy policy{AttentionKept::topk_pages, 64, 64, 128};
  std::vector<std::vector<std::int32_t>> whole;
  const BlockList& list = rig.choose(policy, 900, 1020);
  for (std::int32_t p = 900; p < 1920; ++p)
    for (std::int32_t head = 0; head < kKvHeads; ++head) whole.push_back(row(list, p, head));
  std::size_t at = 0;
  for (std::int32_t p = 900; p < 1920; ++p) {
    rig.clear();
    const BlockList& one = rig.choose(policy, p, 1);
    for (std::int32_t head = 0; head < kKvHeads; ++head) EXPECT_EQ(row(one, p, head), whole[at++]) << p;
  }
}

TEST(PageChoice, AShortTextIsSeenWhole) {
  Rig rig(500);
  const BlockList& list = rig.choose({AttentionKept::topk_pages, 64, 64, 1024}, 499, 1);
  EXPECT_EQ(row(list, 499, 1), (std::vector<std::int32_t>{0, 1, 2, 3, 4, 5, 6, 7}));
}

// What was cut off and written anew leaves no trace in the summaries.
TEST(PageChoice, SummariesFollowTruncation) {
  Rig rig(64 * 6), fresh(64 * 6);
  const auto old_k = rig.k;
  for (std::size_t i = 100 * kKvHeads * kDim; i < rig.k.size(); ++i) rig.k[i] *= 50.0f;
  rig.cache.advance(64 * 6);
  rig.cache.truncate(100);
  ASSERT_TRUE(rig.cache.reserve(64 * 6));
  rig.append(100, 64 * 6 - 100);
  rig.k = old_k;
  rig.cache.truncate(100);
  ASSERT_TRUE(rig.cache.reserve(64 * 6));
  for (std::int32_t t = 100; t < 64 * 6; t += 7) rig.append(t, std::min(7, 64 * 6 - t));
  for (std::int32_t page = 0; page < 6; ++page)
    for (std::int32_t head = 0; head < kKvHeads; ++head) {
      const float* a = rig.pool.summary(1, rig.cache.pages()[static_cast<std::size_t>(page)], head);
      const float* b = fresh.pool.summary(1, fresh.cache.pages()[static_cast<std::size_t>(page)], head);
      for (std::int32_t i = 0; i < 2 * kDim; ++i) EXPECT_EQ(a[i], b[i]) << page;
    }
}

TEST(PageChoice, AFullArenaIsAnAnswer) {
  Rig rig(64 * 30);
  ThreadPool pool(1);
  Counters counters;
  Arena small = std::move(*Arena::make(256));
  Exec exec{pool, small, best_kernels(), counters};
  const auto list = choose_pages({AttentionKept::topk_pages, 64, 64, 128},
                                 {.pool = &rig.pool,
                                  .layer = 1,
                                  .pages = rig.cache.pages(),
                                  .q = rig.q.data(),
                                  .q_stride = kHeads * kDim,
                                  .q_len = 1,
                                  .first_pos = 64 * 30 - 1,
                                  .heads = kHeads,
                                  .kv_heads = kKvHeads,
                                  .k_dim = kDim},
                                 exec);
  ASSERT_FALSE(list);
  EXPECT_EQ(list.error().code, Code::out_of_memory);
}

}  // namespace
}  // namespace heed
