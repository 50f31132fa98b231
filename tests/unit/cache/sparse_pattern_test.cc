// sparse_pattern_test.cc -- block lists against their definition, and policies by name.
#include "cache/sparse_pattern.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "cache/attention_policy.h"

namespace heed {
namespace {

std::vector<std::int32_t> row(const SparsePattern& p, std::int32_t i) {
  const BlockList l = p.list();
  const auto at = static_cast<std::size_t>(i);
  return {l.key_block.begin() + l.row_start[at], l.key_block.begin() + l.row_start[at + 1]};
}

TEST(BigBird, CausalRowsHoldGlobalsWindowAndRandomOnes) {
  const BigBirdOptions o{.global = 2, .window = 4, .random = 3};
  const SparsePattern p = big_bird(64 * 100 - 5, o);
  ASSERT_EQ(p.list().row_start.size(), 101u);
  for (std::int32_t i = 0; i < 100; ++i) {
    const auto blocks = row(p, i);
    EXPECT_TRUE(std::is_sorted(blocks.begin(), blocks.end()));
    EXPECT_EQ(std::adjacent_find(blocks.begin(), blocks.end()), blocks.end());
    EXPECT_EQ(blocks.back(), i);
    EXPECT_EQ(blocks.size(), static_cast<std::size_t>(std::min(i + 1, 2 + 4 + 3))) << i;
    for (std::int32_t b = 0; b < std::min(2, i); ++b) EXPECT_TRUE(std::count(blocks.begin(), blocks.end(), b)) << i;
    for (std::int32_t b = std::max(0, i - 3); b <= i; ++b) EXPECT_TRUE(std::count(blocks.begin(), blocks.end(), b));
  }
}

TEST(BigBird, ALongerListBeginsWithTheShorterOne) {
  const SparsePattern a = big_bird(64 * 20, {}), b = big_bird(64 * 90, {}), other = big_bird(64 * 90, {.seed = 2});
  for (std::int32_t i = 0; i < 20; ++i) EXPECT_EQ(row(a, i), row(b, i));
  int different = 0;
  for (std::int32_t i = 0; i < 90; ++i) different += row(b, i) != row(other, i);
  EXPECT_GT(different, 60);
}

TEST(BigBird, RandomBlocksReachEverywhere) {
  const SparsePattern p = big_bird(64 * 400, {.global = 1, .window = 3, .random = 3});
  std::vector<int> seen(400);
  for (std::int32_t i = 0; i < 400; ++i)
    for (const std::int32_t b : row(p, i)) seen[static_cast<std::size_t>(b)] += b > 0 && b < i - 2;
  // Row i draws 3 of i - 3 blocks: block b is drawn about 3 ln(400 / b) times.
  for (const auto& [from, to] : {std::pair<std::size_t, std::size_t>{20, 60}, {60, 150}, {150, 300}}) {
    double got = 0, want = 0;
    for (std::size_t b = from; b < to; ++b) got += seen[b], want += 3 * std::log(400.0 / static_cast<double>(b));
    EXPECT_NEAR(got / want, 1, 0.25) << from;
  }
}

TEST(BigBird, TwoSidedRowsSeeBothWays) {
  const SparsePattern p = big_bird(64 * 50, {.global = 1, .window = 3, .random = 2, .causal = false});
  EXPECT_EQ(row(p, 0).size(), 50u);
  const auto blocks = row(p, 20);
  for (const std::int32_t b : {0, 19, 20, 21}) EXPECT_TRUE(std::count(blocks.begin(), blocks.end(), b));
  EXPECT_EQ(row(p, 49).back(), 49);
}

TEST(AttentionPolicy, NamesAndLimits) {
  for (const char* name : {"full", "window", "topk_pages", "big_bird"}) {
    const auto kept = policy_by_name(name);
    ASSERT_TRUE(kept);
    EXPECT_EQ(policy_name(*kept), name);
  }
  const auto unknown = policy_by_name("some");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().where, "policy");
  EXPECT_TRUE(check(AttentionPolicy{}));
  const std::pair<AttentionPolicy, const char*> wrongs[] = {
      {{.window = 63}, "window"}, {{.sinks = -1}, "sinks"}, {{.budget = 0}, "budget"}};
  for (const auto& [policy, field] : wrongs) {
    const auto checked = check(policy);
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().where, field);
  }
}

}  // namespace
}  // namespace heed
