// allocation_test.cc -- a step of a running model allocates nothing, whatever it sees of its past.
#include <gtest/gtest.h>

#include "tests/unit/counted_allocations.h"
#include "tests/unit/model/test_model.h"

namespace heed {
namespace {

struct Case {
  const char* name;
  AttentionPolicy policy;
  DType pages;
};

class Allocation : public testing::TestWithParam<Case> {};

// A prompt of 200 tokens warms the step; then single tokens and a second prompt's slice go through.
TEST_P(Allocation, AWarmedStepHasNone) {
  for (const char* family : {"llama", "qwen2", "gemma3"}) {
    TestModel m(2, best_kernels(), GetParam().pages);
    ASSERT_TRUE(m.load(family));
    const AttentionPlan plan = plan_attention(GetParam().policy, 1024);
    KvCache cache(*m.pages);
    ASSERT_TRUE(cache.reserve(320));
    std::vector<float> logits(static_cast<std::size_t>(m.spec.vocab));
    const std::vector<std::int32_t> tokens(200, 3);
    Exec exec = m.exec();
    const auto step = [&](std::size_t n) {
      ForwardItem item{.cache = &cache, .tokens = std::span(tokens).first(n), .logits = logits, .plan = &plan};
      return static_cast<bool>(forward(m.spec, m.weights, {&item, 1}, exec, {}));
    };
    ASSERT_TRUE(step(200));
    const std::int64_t before = allocations;
    for (const std::size_t n : {1u, 1u, 50u, 7u, 1u}) ASSERT_TRUE(step(n)) << family;
    EXPECT_EQ(allocations - before, 0) << family;
  }
}

INSTANTIATE_TEST_SUITE_P(Kept, Allocation,
                         testing::Values(Case{"full", {}, DType::bf16}, Case{"full_int8", {}, DType::i8},
                                         Case{"window", {AttentionKept::window, 64, 5, 64}, DType::bf16},
                                         Case{"topk_pages", {AttentionKept::topk_pages, 64, 64, 64}, DType::bf16},
                                         Case{"big_bird", {AttentionKept::big_bird, 64, 64, 64}, DType::bf16}),
                         [](const auto& p) { return p.param.name; });

}  // namespace
}  // namespace heed
