// policy_test.cc -- attention policies in a whole model: what they must equal, and that a row's bits stay its own.
#include <gtest/gtest.h>

#include "tests/unit/model/test_model.h"

namespace heed {
namespace {

constexpr AttentionPolicy kWindow{AttentionKept::window, 64, 5, 64};
constexpr AttentionPolicy kChosen{AttentionKept::topk_pages, 64, 64, 64};
constexpr AttentionPolicy kBigBird{AttentionKept::big_bird, 64, 64, 64};

class Policy : public testing::TestWithParam<std::string> {
 protected:
  static std::vector<float> run(TestModel& m, const std::vector<std::int32_t>& tokens, std::size_t chunk,
                                const AttentionPolicy& policy) {
    const AttentionPlan plan = plan_attention(policy, 1024);
    KvCache cache(*m.pages);
    std::vector<float> all;
    for (std::size_t i = 0; i < tokens.size(); i += chunk) {
      const auto part = m.run(cache, std::span(tokens).subspan(i, std::min(chunk, tokens.size() - i)), {}, &plan);
      EXPECT_TRUE(part) << part.error().text;
      if (part) all.insert(all.end(), part->begin(), part->end());
    }
    return all;
  }
};

TEST_P(Policy, PrefillEqualsDecodeBitForBit) {
  const auto tokens = some_tokens(400);
  for (const AttentionPolicy& policy : {kWindow, kChosen, kBigBird})
    for (const DType kv : {DType::f16, DType::bf16}) {
      TestModel one(1, best_kernels(), kv), three(3, best_kernels(), kv);
      ASSERT_TRUE(one.load(GetParam()));
      ASSERT_TRUE(three.load(GetParam()));
      const auto whole = run(one, tokens, 200, policy);
      EXPECT_EQ(whole, run(three, tokens, 1, policy)) << policy_name(policy.kept);
      EXPECT_EQ(whole, run(three, tokens, 77, policy)) << policy_name(policy.kept);
      EXPECT_NE(whole, run(one, tokens, 200, {})) << policy_name(policy.kept) << " hides nothing";
    }
}

TEST_P(Policy, WhatHidesNothingChangesNothing) {
  TestModel m(2, best_kernels());
  ASSERT_TRUE(m.load(GetParam()));
  const auto tokens = some_tokens(400);
  const auto full = run(m, tokens, 200, {});
  EXPECT_EQ(full, run(m, tokens, 200, {AttentionKept::window, 400, 0, 64}));
  EXPECT_EQ(full, run(m, tokens, 200, {AttentionKept::topk_pages, 64, 0, 384}));
  EXPECT_EQ(full, run(m, tokens, 200, {AttentionKept::big_bird, 64, 0, 448}));
}

// The policy and a model trained with the window are one and the same.
TEST_P(Policy, AWindowIsTheSpecsWindow) {
  TestModel m(2, best_kernels()), windowed(2, best_kernels());
  ASSERT_TRUE(m.load(GetParam()));
  ASSERT_TRUE(windowed.load(GetParam()));
  const auto tokens = some_tokens(300);
  for (BlockSpec& b : windowed.spec.blocks) {
    if (b.attention.mask.window > 0) continue;  // gemma3's local layers keep their smaller one
    b.attention.mask.window = kWindow.window;
    b.attention.mask.sink = kWindow.sinks;
  }
  EXPECT_EQ(run(m, tokens, 150, kWindow), run(windowed, tokens, 150, {}));
}

// Two documents that must not see each other, and a question that sees both: the second document's rows are what they
// are alone (RoPE knows only distances), the question's are not.
TEST_P(Policy, LabelledSpansDoNotLeak) {
  TestModel m(2, best_kernels());
  ASSERT_TRUE(m.load(GetParam()));
  const auto tokens = some_tokens(260);
  const std::vector<std::int32_t> second(tokens.begin() + 100, tokens.begin() + 230);
  AttentionPlan plan;
  plan.labels = {{0, 100, 230}, {0, 1, 2}, {0b001, 0b010, 0b111}};
  KvCache cache(*m.pages), alone(*m.pages), open(*m.pages);
  const auto got = m.run(cache, tokens, {}, &plan), want = m.run(alone, second), all = m.run(open, tokens);
  ASSERT_TRUE(got && want && all);
  const auto vocab = static_cast<std::size_t>(m.spec.vocab);
  const auto error = [&](std::size_t row, const std::vector<float>& other, std::size_t other_row) {
    double e = 0, power = 0;
    for (std::size_t i = 0; i < vocab; ++i) {
      const double a = (*got)[row * vocab + i], b = other[other_row * vocab + i];
      e += (a - b) * (a - b), power += b * b;
    }
    return e / power;
  };
  for (std::size_t i = 0; i < 130; ++i) EXPECT_LT(error(100 + i, *want, i), 1e-6) << i;
  for (std::size_t i = 0; i < 100; ++i) EXPECT_EQ(error(i, *all, i), 0.0) << i;
  EXPECT_GT(error(229, *all, 229), 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Families, Policy, testing::Values("llama", "qwen2", "gemma3"),
                         [](const auto& p) { return p.param; });

}  // namespace
}  // namespace heed
