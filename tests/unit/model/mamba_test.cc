// mamba_test.cc -- the state of a Mamba 2 layer: how a text is cut into steps, and going back, change no bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "tests/unit/model/test_model.h"

namespace heed {
namespace {

std::vector<std::int32_t> text_of(std::size_t n) {
  std::vector<std::int32_t> out(n);
  for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<std::int32_t>((i * 37 + 11) % 64);
  return out;
}

struct Mamba : testing::Test {
  void SetUp() override {
    const auto loaded = model.load("granitehybrid");
    ASSERT_TRUE(loaded) << loaded.error().text;
  }

  /// Logits of `tokens` fed in pieces of these sizes, the last one for the rest.
  std::vector<float> in_pieces(KvCache& cache, std::span<const std::int32_t> tokens, std::vector<std::size_t> sizes) {
    std::vector<float> all;
    for (std::size_t i = 0; !tokens.empty(); ++i) {
      const std::size_t n = i < sizes.size() ? std::min(sizes[i], tokens.size()) : tokens.size();
      const auto logits = model.run(cache, tokens.first(n));
      EXPECT_TRUE(logits) << (logits ? "" : logits.error().text);
      if (!logits) return all;
      all.insert(all.end(), logits->begin(), logits->end());
      tokens = tokens.subspan(n);
    }
    return all;
  }

  TestModel model{2, best_kernels()};
};

TEST_F(Mamba, PiecesGiveTheBitsOfTheWhole) {
  const auto text = text_of(150);  // beyond two chunks of the state
  KvCache whole(*model.pages);
  const auto expected = in_pieces(whole, text, {});
  for (const std::vector<std::size_t>& sizes :
       std::vector<std::vector<std::size_t>>{{1, 1, 1, 60}, {64, 64}, {63, 2, 1}, std::vector<std::size_t>(150, 1)}) {
    KvCache cache(*model.pages);
    EXPECT_EQ(in_pieces(cache, text, sizes), expected) << "pieces of " << sizes[0];
  }
}

TEST_F(Mamba, GoingBackWithinAChunkChangesNothing) {
  const auto text = text_of(127);
  KvCache plain(*model.pages), back(*model.pages);
  const auto expected = in_pieces(plain, text, {});
  in_pieces(back, std::span(text).first(100), {});
  const auto other = std::vector<std::int32_t>(27, 5);
  in_pieces(back, other, {});  // up to position 126: the last inputs of the chunk are others'
  back.truncate(64);
  ASSERT_EQ(back.length(), 64);
  const auto again = in_pieces(back, std::span(text).subspan(64), {});
  const std::size_t vocab = static_cast<std::size_t>(model.spec.vocab);
  EXPECT_EQ(std::memcmp(again.data(), expected.data() + 64 * vocab, again.size() * sizeof(float)), 0);
}

TEST_F(Mamba, SequencesOfOneStepDoNotMix) {
  const auto a = text_of(70), b = std::vector<std::int32_t>(9, 3);
  KvCache alone(*model.pages), first(*model.pages), second(*model.pages);
  const auto expected = in_pieces(alone, b, {});
  ASSERT_TRUE(first.reserve(70));
  ASSERT_TRUE(second.reserve(9));
  std::vector<float> logits(b.size() * static_cast<std::size_t>(model.spec.vocab));
  ForwardItem items[] = {{.cache = &first, .tokens = a}, {.cache = &second, .tokens = b, .logits = logits}};
  Exec exec = model.exec();
  ASSERT_TRUE(forward(model.spec, model.weights, items, exec));
  EXPECT_EQ(logits, expected);
}

}  // namespace
}  // namespace heed
