// forward_test.cc -- what every model promises: chunking, batching, threads and page layout change no bit.
#include <gtest/gtest.h>

#include "tests/unit/model/test_model.h"

namespace heed {
namespace {

class Forward : public testing::TestWithParam<std::string> {
 protected:
  static std::vector<float> prefill(TestModel& m, const std::vector<std::int32_t>& tokens, std::size_t chunk) {
    KvCache cache(*m.pages);
    std::vector<float> all;
    for (std::size_t i = 0; i < tokens.size(); i += chunk) {
      const auto part = m.run(cache, std::span(tokens).subspan(i, std::min(chunk, tokens.size() - i)));
      EXPECT_TRUE(part) << part.error().text;
      if (part) all.insert(all.end(), part->begin(), part->end());
    }
    return all;
  }
};

TEST_P(Forward, PrefillEqualsDecodeBitForBit) {
  const auto tokens = some_tokens(150, 1);  // three pages
  for (const Kernels* kernels : runnable_kernels())
    for (const DType kv : {DType::f32, DType::f16, DType::bf16}) {
      TestModel m(2, *kernels, kv);
      ASSERT_TRUE(m.load(GetParam()));
      const auto whole = prefill(m, tokens, tokens.size());
      EXPECT_EQ(whole, prefill(m, tokens, 1)) << kernels->name;
      EXPECT_EQ(whole, prefill(m, tokens, 37)) << kernels->name;
    }
}

TEST_P(Forward, ThreadsChangeNothing) {
  const auto tokens = some_tokens(90, 2);
  std::vector<float> first;
  for (const int threads : {1, 2, 3}) {
    TestModel m(threads, best_kernels(), DType::f16);
    ASSERT_TRUE(m.load(GetParam()));
    const auto logits = prefill(m, tokens, 64);
    if (first.empty()) first = logits;
    EXPECT_EQ(first, logits) << threads;
  }
}

TEST_P(Forward, BatchChangesNothing) {
  TestModel m(2, best_kernels(), DType::f16);
  ASSERT_TRUE(m.load(GetParam()));
  const auto a = some_tokens(70, 3), b = some_tokens(5, 4), c = some_tokens(1, 5);
  const auto alone_a = prefill(m, a, a.size()), alone_b = prefill(m, b, b.size()), alone_c = prefill(m, c, 1);
  const auto vocab = static_cast<std::size_t>(m.spec.vocab);
  KvCache ca(*m.pages), cb(*m.pages), cc(*m.pages);
  std::vector<float> la(a.size() * vocab), lb(vocab), lc(vocab);
  ASSERT_TRUE(ca.reserve(70) && cb.reserve(5) && cc.reserve(1));
  ForwardItem items[] = {{&ca, a, la}, {&cb, b, lb}, {&cc, c, lc}};
  Exec e = m.exec();
  ASSERT_TRUE(forward(m.spec, m.weights, items, e));
  EXPECT_EQ(la, alone_a);
  EXPECT_EQ(lb, std::vector<float>(alone_b.end() - m.spec.vocab, alone_b.end()));
  EXPECT_EQ(lc, alone_c);
  EXPECT_EQ(ca.length(), 70);
}

TEST_P(Forward, ForeignTokensAreRefusedAndNothingMoves) {
  TestModel m(1, best_kernels());
  ASSERT_TRUE(m.load(GetParam()));
  KvCache cache(*m.pages);
  for (const std::int32_t bad : {-1, m.spec.vocab}) {
    const std::vector<std::int32_t> tokens = {1, bad};
    const auto r = m.run(cache, tokens);
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, Code::invalid_argument);
    EXPECT_EQ(cache.length(), 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Families, Forward, testing::Values("llama", "qwen2", "qwen3", "gemma", "gemma2", "gemma3"),
                         [](const auto& p) { return p.param; });

}  // namespace
}  // namespace heed
