// thread_pool_test.cc -- every index once, whatever the team size.
#include "core/thread_pool.h"

#include <gtest/gtest.h>

#include <vector>

namespace heed {
namespace {

TEST(ThreadPool, CoversEveryIndexOnce) {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    for (const std::int64_t n : {0, 1, 7, 1000}) {
      std::vector<std::atomic<int>> hits(static_cast<std::size_t>(n));
      for (int round = 0; round < 50; ++round)
        pool.parallel_for(n, 3, [&](std::int64_t b, std::int64_t e, int worker) {
          ASSERT_LT(worker, threads);
          for (std::int64_t i = b; i < e; ++i) ++hits[static_cast<std::size_t>(i)];
        });
      for (const auto& h : hits) ASSERT_EQ(h.load(), 50);
    }
  }
}

}  // namespace
}  // namespace heed
