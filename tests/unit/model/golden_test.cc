// golden_test.cc -- every layer of every family against what transformers computed for the same tiny model.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "tests/unit/model/test_model.h"

namespace heed {
namespace {

constexpr double kMaxNmse = 1e-6;

double nmse(const float* got, const float* want, std::size_t n) {
  double error = 0, power = 0;
  for (std::size_t i = 0; i < n; ++i) {
    error += (double{got[i]} - want[i]) * (double{got[i]} - want[i]);
    power += double{want[i]} * want[i];
  }
  return error / power;
}

struct Expectation {
  const GgufFile* file;
  int seen = 0;
  double worst = 0;

  static void on_layer(void* context, std::int32_t layer, const float* x, std::int64_t rows, std::int64_t dim) {
    auto& self = *static_cast<Expectation*>(context);
    std::string name = layer < 0 ? "embed" : "layer." + std::to_string(layer);
    if (layer >= 0 && !self.file->find(name)) name = "norm";
    const Tensor* want = self.file->find(name);
    ASSERT_NE(want, nullptr) << name;
    ASSERT_EQ(want->rows(), rows);
    const double e = nmse(x, reinterpret_cast<const float*>(want->data), static_cast<std::size_t>(rows * dim));
    EXPECT_LE(e, kMaxNmse) << name;
    self.worst = std::max(self.worst, e);
    ++self.seen;
  }
};

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, EveryLayerEqualsTransformers) {
  auto expected =
      GgufFile::open(std::string(HEED_SOURCE_DIR) + "/tests/golden/models/" + GetParam() + ".expected.gguf");
  ASSERT_TRUE(expected) << expected.error().text;
  const Tensor* tokens = expected->find("tokens");
  ASSERT_NE(tokens, nullptr);
  std::vector<std::int32_t> ids(static_cast<std::size_t>(tokens->cols()));
  std::memcpy(ids.data(), tokens->data, ids.size() * 4);
  for (const Kernels* kernels : runnable_kernels()) {
    TestModel model(2, *kernels);
    const auto loaded = model.load(GetParam());
    ASSERT_TRUE(loaded) << loaded.error().text;
    Expectation check{&*expected};
    KvCache cache(*model.pages);
    const auto logits = model.run(cache, ids, {&check, Expectation::on_layer});
    ASSERT_TRUE(logits) << logits.error().text;
    EXPECT_EQ(check.seen, static_cast<int>(model.spec.blocks.size()) + 2);
    const double e =
        nmse(logits->data(), reinterpret_cast<const float*>(expected->find("logits")->data), logits->size());
    EXPECT_LE(e, kMaxNmse) << "logits";
    std::printf("golden %s %s: worst layer NMSE %.2e, logits %.2e\n", GetParam().c_str(), kernels->name, check.worst,
                e);
  }
}

INSTANTIATE_TEST_SUITE_P(Families, Golden, testing::Values("llama", "qwen2", "gemma3"),
                         [](const auto& p) { return p.param; });

}  // namespace
}  // namespace heed
