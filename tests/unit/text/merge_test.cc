// merge_test.cc -- the scan for short words and the heap for long ones, against the definition.
#include "text/merge.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace heed {
namespace {

using Rules = std::map<std::pair<std::int32_t, std::int32_t>, MergeRule>;

MergeRule rule_in(const Rules& rules, const MergeSymbol& left, const MergeSymbol& right) {
  const auto found = rules.find({left.token, right.token});
  return found == rules.end() ? MergeRule{} : found->second;
}

void merge_by_definition(std::vector<MergeSymbol>& symbols, const Rules& rules) {
  for (;;) {
    std::size_t best = symbols.size();
    MergeRule best_rule;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      const MergeRule rule = rule_in(rules, symbols[i], symbols[i + 1]);
      if (rule.rank >= best_rule.rank) continue;
      best = i;
      best_rule = rule;
    }
    if (best == symbols.size()) return;
    symbols[best].size += symbols[best + 1].size;
    symbols[best].token = best_rule.token;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

TEST(Merge, EqualsTheDefinition) {
  std::mt19937 random(2);
  const auto below = [&](int end) { return static_cast<int>(random() % static_cast<unsigned>(end)); };
  for (int round = 0; round < 400; ++round) {
    Rules rules;  // any pairs, any ranks, equal ones too: stranger than a trained table
    for (int i = 0; i < 40; ++i) {
      rules[{below(14), below(14)}] = {static_cast<std::uint32_t>(below(20)), below(14)};
    }
    for (const int size : {0, 1, 2, 3, 31, 32, 33, 34, 200}) {
      std::vector<MergeSymbol> got;
      for (int i = 0; i < size; ++i) got.push_back({static_cast<std::uint32_t>(i), 1, below(5)});
      std::vector<MergeSymbol> want = got;
      merge_symbols(got, [&](const MergeSymbol& a, const MergeSymbol& b) { return rule_in(rules, a, b); });
      merge_by_definition(want, rules);
      ASSERT_EQ(got.size(), want.size()) << round << " " << size;
      for (std::size_t i = 0; i < got.size(); ++i) {
        ASSERT_EQ(got[i].start, want[i].start);
        ASSERT_EQ(got[i].size, want[i].size);
        ASSERT_EQ(got[i].token, want[i].token);
      }
    }
  }
}

TEST(Merge, LookUpsGrowByNLogN) {
  Rules rules;  // runs of one token double: 0+0 -> 1, 1+1 -> 2, ...
  for (std::int32_t i = 0; i < 30; ++i) rules[{i, i}] = {static_cast<std::uint32_t>(i), i + 1};
  std::size_t look_ups = 0;
  std::vector<MergeSymbol> symbols(1 << 16);
  for (std::uint32_t i = 0; i < symbols.size(); ++i) symbols[i] = {i, 1, 0};
  merge_symbols(symbols, [&](const MergeSymbol& a, const MergeSymbol& b) {
    ++look_ups;
    return rule_in(rules, a, b);
  });
  ASSERT_EQ(symbols.size(), 1u);
  EXPECT_EQ(symbols[0].token, 16);
  EXPECT_LT(look_ups, std::size_t{4} << 16);
}

}  // namespace
}  // namespace heed
